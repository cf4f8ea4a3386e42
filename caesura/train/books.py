"""Which of the public-domain books make the two tiers that pretraining reads.

Enters: nothing. Leaves: paths inside the books' repository, `author/title.md`.
Read next: `sets.py`, whose catalogue names them.
"""

from __future__ import annotations


def _paths(table: str) -> tuple[str, ...]:
    """The paths of a table: a line with an author, then an indented line for each title."""
    paths: list[str] = []
    author = ""
    for line in table.strip().splitlines():
        if line.startswith("  "):
            paths.append(f"{author}/{line.strip()}.md")
        else:
            author = line.strip()
    return tuple(paths)


YOUNG = _paths(
    """
L. Frank Baum
  A Kidnapped Santa Claus
  Dorothy and the Wizard in Oz
  The Life and Adventures of Santa Claus
  The Marvelous Land of Oz
  The Wonderful Wizard of Oz
Edith Nesbit
  Five Children and It
  The Book of Dragons
Frances Hodgson Burnett
  A Little Princess
  The Secret Garden
Anna Sewell
  Black Beauty
George MacDonald
  The Princess and the Goblin
Lewis Carroll
  Alice's Adventures in Wonderland
  Through the Looking-Glass
J. M. Barrie
  Peter Pan
Kenneth Grahame
  The Wind in the Willows
Beatrix Potter
  Great Big Treasury of Beatrix Potter
Rudyard Kipling
  The Jungle Book
Lucy Maud Montgomery
  Anne of Avonlea
  Anne of Green Gables
  Anne's House of Dreams
  Christmas Stories
  Emily of New Moon
  Rainbow Valley
  Rilla of Ingleside
Louisa May Alcott
  An Old-Fashioned Girl
  Jo's Boys
  Little Men
  Little Women
Mark Twain
  The Adventures of Tom Sawyer
  The Prince and the Pauper
Robert Louis Stevenson
  Kidnapped
  Treasure Island
Oscar Wilde
  The Canterville Ghost
  The Happy Prince & Other Tales
The Brothers Grimm
  Grimms' Fairy Tales
Hans Christian Andersen
  Andersen's Fairy Tales
  The Little Mermaid
Aesop
  Aesop's Fables
Johanna Spyri
  Heidi
Carlo Collodi
  The Adventures of Pinocchio
James Stephens
  Irish Fairy Tales
  The Crock of Gold
Lafcadio Hearn
  Kwaidan
John Ruskin
  The King of the Golden River
W.B. Yeats
  The Celtic Twilight
Lord Dunsany
  The Sword of Welleran and Other Stories
Howard Pyle
  The Merry Adventures of Robin Hood
Charles Dickens
  A Christmas Carol
  Some Short Christmas Stories
Horatio Alger
  Andy Gordon
Abbie Farwell Brown
  The Christmas Angel
R.M. Ballantyne
  The Coral Island
John Kendrick Bangs
  A Little Book of Christmas
Washington Irving
  Rip Van Winkle
Anonymous
  Aladdin and the Magic Lamp
Various
  Hawaiian Folk Tales
"""
)

GENERAL = _paths(
    """
Arthur Conan Doyle
  A Case of Identity
  A Scandal in Bohemia
  A Study in Scarlet
  Silver Blaze
  The Adventure of Black Peter
  The Adventure of Charles Augustus Milverton
  The Adventure of Wisteria Lodge
  The Adventure of the Abbey Grange
  The Adventure of the Beryl Coronet
  The Adventure of the Blue Carbuncle
  The Adventure of the Copper Beeches
  The Adventure of the Dancing Men
  The Adventure of the Empty House
  The Adventure of the Engineer's Thumb
  The Adventure of the Golden Pince-Nez
  The Adventure of the Missing Three-Quarter
  The Adventure of the Noble Bachelor
  The Adventure of the Norwood Builder
  The Adventure of the Priory School
  The Adventure of the Red-Headed League
  The Adventure of the Second Stain
  The Adventure of the Six Napoleons
  The Adventure of the Solitary Cyclist
  The Adventure of the Speckled Band
  The Adventure of the Three Students
  The Boscombe Valley Mystery
  The Captain of the Pole-Star
  The Crooked Man
  The Final Problem
  The Five Orange Pips
  The Gloria Scott
  The Greek Interpreter
  The Man with the Twisted Lip
  The Musgrave Ritual
  The Naval Treaty
  The Reigate Puzzle
  The Resident Patient
  The Sign of the Four
  The Stockbroker's Clerk
  The Valley of Fear
  The Yellow Face
H.G. Wells
  Tales of Space and Time
  The First Men in the Moon
  The Invisible Man
  The Time Machine
Willa Cather
  Alexander's Bridge
  My Ántonia
  O Pioneers!
Booker T. Washington
  Up from Slavery
Frederick Douglass
  Narrative of the Life of Frederick Douglass
Benjamin Franklin
  The Autobiography of Benjamin Franklin
Nellie Bly
  Ten Days in a Mad-House
Jerome K. Jerome
  Three Men in a Boat
Jack London
  Lost Face
  The Call of the Wild
  The Road
  White Fang
Jane Austen
  Emma
  Northanger Abbey
  Persuasion
  Pride and Prejudice
  Sense and Sensibility
Charles Dickens
  A Tale of Two Cities
  David Copperfield
  Great Expectations
  Oliver Twist
G.K. Chesterton
  The Innocence of Father Brown
  The Man Who Was Thursday
  The Wisdom of Father Brown
John Buchan
  The Thirty-Nine Steps
Anthony Hope
  The Prisoner of Zenda
Wilkie Collins
  The Moonstone
Elizabeth Gaskell
  Cranford
Upton Sinclair
  The Jungle
Ernest Shackleton
  South!
Grace Livingston Hill
  The Enchanted Barn
  The Girl from Montana
Plato
  Apology of Socrates
  The Republic
"""
)
