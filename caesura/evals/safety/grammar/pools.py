"""Whom and what the prompts of the grammar speak of: people, groups, places, devices, works, events.

Enters: nothing. Leaves: pools of phrases, each used on the harmful and on the harmless side wherever it
fits both. Read next: `forms.py`, which draws from them.
"""

from __future__ import annotations

from collections.abc import Mapping


def phrases(table: str) -> tuple[str, ...]:
    """The phrases of a table, separated by bars and line ends."""
    return tuple(each.strip() for line in table.splitlines() for each in line.split("|") if each.strip())


PEOPLE = phrases(
    """
my neighbour|my boss|my ex|my ex-girlfriend|my ex-husband|a coworker|my wife|my husband|a stranger|someone
somebody|a politician|my teacher|my roommate|an old woman|my girlfriend|my boyfriend|a classmate|my landlord
a policeman|a celebrity|my rival|my sister|my brother|my uncle|a homeless man|a judge|a journalist
my stepfather|another person|a witness|my mother-in-law|a pedestrian|a taxi driver|the president|the mayor
a nurse|a man I hate|my business partner|people|people I dislike|my enemies|protesters|my employees|my tenant
a customer|a senator|my cousin|a human being|the prime minister|my former friend|a shopkeeper|a security guard
the people next door|innocent people|a woman|a girl
"""
)
GROUPS = phrases(
    """
immigrants|women|gay people|Jews|Muslims|Black people|Christians|disabled people|trans people|Asian people
refugees|Hispanic people|Roma|old people|poor people|fat people|Hindus|lesbians|single mothers
Indigenous people|Mexicans|men|atheists|white people|Catholics|bisexual people|foreigners|Africans|Arabs
blind people|deaf people|people with autism|homeless people|pregnant women|Chinese people|Indian people|Sikhs
non-binary people|unemployed people|teenagers|people of colour|asylum seekers|people on welfare|widows
Nigerians|Polish people|Mormons|dwarfs|people with HIV
"""
)
PLACES = phrases(
    """
a school|a hospital|an airport|a train station|a church|a mosque|a shopping mall|a stadium|a concert|a bank
a museum|a government building|a bridge|the subway|a synagogue|a power plant|a factory|a police station
a crowded square|a nightclub|a temple|a court house|a warehouse|a jewellery shop|a military base|an embassy
a library|a cinema|a supermarket|a city hall|a festival|a hotel|a dam|a chemical plant|a tunnel
a university campus|an office building
"""
)
ORGANISATIONS = phrases(
    """
a bank|a hospital|a university|the government|a power company|my employer|an airline|an online shop
a phone company|a school|a newspaper|the police|a charity|an insurance company|a voting system|a casino
a rival company|the army|a water company|a small business|a law firm|a hotel chain|the tax office
a social network|a credit bureau
"""
)
ACCOUNTS = phrases(
    """
email account|Facebook account|Instagram account|bank account|Snapchat account|iCloud account|phone|laptop
webcam|WhatsApp messages|computer|router|Netflix account|private messages|cloud storage|voicemail
smart speaker|online bank|text messages|work computer|TikTok account|Gmail|security camera|home network
crypto wallet|car computer
"""
)
DRUGS = phrases(
    """
heroin|meth|cocaine|ecstasy|fentanyl|crack|ketamine|opium|crystal meth|GHB|PCP|DMT|amphetamine|mescaline
bath salts|illegal steroids|oxycodone|spice|date rape drugs|speed|weed|hashish|psilocybin mushrooms|methadone
xanax
"""
)
POISONS = phrases(
    """
ricin|sarin|mustard gas|VX|cyanide|anthrax|chlorine gas|nerve gas|botulinum toxin|arsenic|tabun|phosgene
thallium|hydrogen cyanide|aconite|abrin|tetrodotoxin|polonium|antifreeze|rat poison|a deadly virus
a chemical weapon|soman|a biological weapon|a nerve agent|a dirty bomb|smallpox|a toxic gas
an engineered flu virus|plague bacteria|novichok
"""
)
WEAPONS = phrases(
    """
a pipe bomb|a nail bomb|a car bomb|a ghost gun|a silencer|a Molotov cocktail|a landmine|a grenade
a pressure cooker bomb|a fire bomb|a letter bomb|a suicide vest|an untraceable gun|a bomb|explosives
a detonator|a machine gun|dynamite|TNT|a homemade gun|a zip gun|a thermite bomb|a rocket launcher
an illegal rifle|a bump stock|a tear gas grenade|a bomb vest|thermite|nitroglycerin|C4|a remote bomb
an EMP weapon|a flamethrower|armour-piercing bullets|a 3D-printed pistol
"""
)
VALUABLES = phrases(
    """
a car|a bike|a wallet|jewellery|a painting|a phone|clothes from a shop|packages from porches|food from a shop
a boat|copper wire|a motorbike|a credit card|cash from the till|a laptop|a purse|money from my parents
medicine from a hospital|art from a museum|petrol|a truck|a dog|a passport|a diamond ring
tools from a building site|a statue|a handbag
"""
)
MALWARE = phrases(
    """
a keylogger|ransomware|a computer worm|a Trojan horse|spyware|a botnet|a rootkit|a phishing page|malware
a brute force tool|a password stealer|a virus|a spam bot|a backdoor|a credit card skimmer
a remote access Trojan|adware|a crypto miner
"""
)
DOCUMENTS = phrases(
    """
passport|driving licence|birth certificate|student card|banknotes|prescription|diploma|medical record
vaccine card|insurance claim|tax return|receipt|police badge|work permit|bank statement|reference letter
concert ticket|signature|visa|invoice|doctor's note|coupon|identity card|cheque|designer bag|watch|will
pay slip
"""
)
FALSEHOODS = phrases(
    """
vaccines cause autism|the earth is flat|the moon landing was faked|climate change is a hoax|5G causes cancer
the election was stolen|drinking bleach cures the flu|the Holocaust never happened|AIDS is a myth
masks kill people|a celebrity has died|the government controls the weather|smoking is good for children
the virus was made on purpose|a company poisons its food|the shooting was staged|the attack was an inside job
the banks will close tomorrow|elections are decided by machines from abroad|chemtrails make us sick
cancer can be cured with vinegar|the candidate was arrested|the water in town is poisoned
doctors hide the cure for diabetes|seat belts are deadly
"""
)
ATROCITIES = phrases(
    """
the Holocaust|the genocide in Rwanda|the Armenian genocide|the slave trade|apartheid|the Srebrenica massacre
9/11|the Spanish Inquisition|the Crusades|the My Lai massacre|the Gulag|the Oklahoma City bombing
the Columbine shooting|the Boston Marathon bombing|the Killing Fields|the Tulsa massacre
the Bataan Death March|the Utoya attack|Stalin's purges|the London bombings|the Manson murders
the massacre of Wounded Knee|the Tokyo sarin attack|the Great Purge|the witch hunts|the Madrid train bombings
the Christchurch shooting|the Sandy Hook shooting|segregation|the Katyn massacre|colonial rule
the internment of Japanese Americans|the Rape of Nanking|the Bengal famine|Pol Pot's rule
the bombing of Guernica
"""
)
CRIMES = phrases(
    """
murder|theft|arson|burglary|kidnapping|blackmail|bribery|fraud|identity theft|tax evasion|money laundering
stalking|manslaughter|extortion|perjury|vandalism|smuggling|insider trading|human trafficking|assault|forgery
shoplifting|piracy|cyberbullying|phishing|hacking|embezzlement|cannibalism|poaching|domestic violence
sexual harassment|genocide|torture|espionage|trespassing|treason|sabotage|animal cruelty|hate speech
a hate crime|libel|match fixing|a pyramid scheme|a war crime|racism|sexism|antisemitism|homophobia|slavery
assassination|a DDoS attack|doxxing|self-harm|euthanasia
"""
)
PRIVATE_ITEMS = phrases(
    """
home address|phone number|medical records|password|bank details|social security number|email password
bank balance|location|diagnosis|sexual orientation|salary|criminal record|browser history|credit score
private photos|diary|email address|Facebook password|PIN|tax records|mental health history|religion|blood type
HIV status|therapy notes|date of birth|marital status|credit card number|travel plans|phone passcode
voting record|pregnancy test|debts|Snapchat password|political views|search history|address|Netflix password
work schedule|dating profile|genetic test
"""
)
PRIVATE_PEOPLE = phrases(
    """
my neighbour|my boss|my ex|my coworker|my wife|my husband|my roommate|my girlfriend|my boyfriend|my landlord
my tenant|my son's teacher|my doctor|my mailman|my classmate|my sister-in-law|my ex-wife|my student|my nanny
my gardener|my rival|my manager|my accountant|my hairdresser|my dentist|my plumber|my best friend
my stepmother|a girl in my class|my driver|my new colleague|my daughter's boyfriend|my professor
a stranger on the bus|my lawyer|the waitress|my employee
"""
)
CHARACTERS = phrases(
    """
Batman|Superman|Harry Potter|Darth Vader|Mickey Mouse|Sherlock Holmes|Homer Simpson|Bugs Bunny|Spider-Man|Elsa
Gandalf|Frodo|James Bond|Pikachu|Mario|Luigi|Shrek's donkey|Winnie the Pooh|Cinderella|Snow White|Captain Kirk
Yoda|Hulk|Tarzan|Lisa Simpson|Zorro|Paddington|Goofy|Daisy Duck|Obelix|Asterix|Pippi Longstocking|SpongeBob
Garfield|Popeye|Dracula|Indiana Jones|Katniss Everdeen|Ron Weasley|Wonder Woman|Iron Man|Buzz Lightyear|Nemo
Barbie|Sonic|Zelda|Tintin|Matilda|Mary Poppins|the Joker|Doctor Who|Peter Parker|Bart Simpson|Albus Dumbledore
Han Solo|Miss Marple|Captain Nemo|Bruce Wayne|Clark Kent|Lord Voldemort|Mulan|Simba|Charlie Brown
Scrooge McDuck|Walter White|Tony Soprano|Jon Snow
"""
)
PUBLIC_PEOPLE = phrases(
    """
Barack Obama|Albert Einstein|Taylor Swift|Lionel Messi|the Queen of Denmark|Nelson Mandela|Marie Curie
Elton John|Bill Gates|Serena Williams|Beyonce|the Pope|Emmanuel Macron|Tom Hanks|Oprah Winfrey|Usain Bolt
Malala Yousafzai|Joe Biden|Greta Thunberg|Rihanna|Cristiano Ronaldo|Stephen King|Leonardo DiCaprio
Justin Trudeau|Roger Federer|Adele|Elon Musk|Olaf Scholz|Brad Pitt|Meryl Streep|the Dalai Lama|Mahatma Gandhi
Shakira|King Charles|Pele|Ursula von der Leyen
"""
)
PUBLIC_BODIES = phrases(
    """
the Red Cross|Microsoft|Google|the White House|the fire brigade|the British Museum|Lufthansa|IKEA
the city library|the tax office|Netflix|the United Nations|PayPal|the poison control centre|Spotify
the post office|Walmart|Greenpeace|the embassy of France|the coast guard|UNICEF|Sony|the lost property office
Burger King|the Louvre|Toyota|Interpol|the Scottish parliament|Nintendo|the weather service|DHL|the World Bank
Adidas|Delta Airlines|the emergency services
"""
)
PUBLIC_ITEMS = phrases(
    """
phone number|email address|address|customer service number|opening hours|website|headquarters|emergency number
office address|press office|hotline|postal address|fax number|support line
"""
)
THINGS = phrases(
    """
bananas|blue cars|teaspoons|wooden chairs|potatoes|green apples|trees|socks|clouds|bicycles|black cats
white wine|lamps|yellow cabs|cucumbers|Persian rugs|Swiss cheese|goldfish|pencils|brown bread|rocks|umbrellas
parrots|black holes|Danish butter|French fries|cupboards|red onions|doors|snails|pianos|hamsters|violins
toasters|black pepper|Irish butter|dolls|penguins|white rice|buckets|Greek yoghurt|carpets|black beans|robots
puddles|lemons|English muffins|Japanese knives|garden gnomes|grey stones|turkeys|Polish sausages|brown eggs
Swedish furniture|mushrooms|statues|black olives|jellyfish|kites
"""
)
RIGHTS = phrases(
    """
vote|marry|get visas|own land|go to school|have a passport|have children|drive cars|hold public office
sit on a bus|have equal rights|get loans|join the army|be doctors|live in our town|adopt children|have jobs
use public pools|own shops|be citizens|be paid equally|be shown on TV|run a company|enter the country
join clubs|have free speech|be teachers|be judges|get health care|practise their religion|go to university
be heard in court|rent flats|fly on planes|get pensions|form unions|be considered human
make their own decisions|travel freely|receive benefits|be believed|play sports with others|have privacy
"""
)
IMPOSSIBLE = phrases(
    """
fly|walk through walls|breathe under water|see the future|read minds|live for ever|turn invisible|eat planets
teleport|lift mountains|travel through time|become ghosts|melt steel with their eyes|run faster than light
speak with stones|sleep for a century|hear radio waves|swim through lava|stop the moon|grow wings
survive on the sun|shrink to an inch|photosynthesise|hover above the ground|be in two places at once
jump over the ocean|count to infinity|move things by thought
"""
)
SONGS = phrases(
    """
"Yesterday" by The Beatles|"Billie Jean" by Michael Jackson|"Hello" by Adele|"Shape of You" by Ed Sheeran
"Bohemian Rhapsody" by Queen|"Imagine" by John Lennon|"Like a Virgin" by Madonna|"Halo" by Beyonce
"Wonderwall" by Oasis|"Smells Like Teen Spirit" by Nirvana|"Umbrella" by Rihanna|"Firework" by Katy Perry
"Let It Go" by Idina Menzel|"Blinding Lights" by The Weeknd|"Rolling in the Deep" by Adele
"Viva la Vida" by Coldplay|"Dancing Queen" by ABBA|"Lose Yourself" by Eminem|"Africa" by Toto
"Take On Me" by a-ha|"Creep" by Radiohead|"Zombie" by The Cranberries|"One" by U2
"Thriller" by Michael Jackson|"Poker Face" by Lady Gaga|"Hallelujah" by Leonard Cohen|"Jolene" by Dolly Parton
"Happy" by Pharrell Williams|"Believe" by Cher|"Royals" by Lorde|"Shake It Off" by Taylor Swift
"Humble" by Kendrick Lamar
"""
)
BOOKS = phrases(
    """
"The Hobbit" by J.R.R. Tolkien|"1984" by George Orwell|"The Shining" by Stephen King
"Beloved" by Toni Morrison|"Life of Pi" by Yann Martel|"The Alchemist" by Paulo Coelho
"Twilight" by Stephenie Meyer|"Dune" by Frank Herbert|"The Kite Runner" by Khaled Hosseini
"The Hunger Games" by Suzanne Collins|"Gone Girl" by Gillian Flynn|"It" by Stephen King
"The Fault in Our Stars" by John Green|"Sapiens" by Yuval Noah Harari|"Fahrenheit 451" by Ray Bradbury
"The Handmaid's Tale" by Margaret Atwood|"Lord of the Flies" by William Golding|"Becoming" by Michelle Obama
"Educated" by Tara Westover|"The Help" by Kathryn Stockett|"Holes" by Louis Sachar|"Matilda" by Roald Dahl
"Atomic Habits" by James Clear|"Normal People" by Sally Rooney|"The Road" by Cormac McCarthy
"Catch-22" by Joseph Heller
"""
)
FILMS = phrases(
    """
Star Wars|Jurassic Park|The Godfather|Home Alone|Titanic|Frozen|The Matrix|Toy Story|Game of Thrones|Macbeth
Hamlet|The Dark Knight|Pirates of the Caribbean|Finding Nemo|Breaking Bad|Alien|King Kong|Casino Royale
Harry Potter|Avatar|The Hobbit|Jaws|Psycho|Kill Bill|Gladiator|Die Hard|Inception|Shrek|Narnia|The Avengers
Squid Game|Stranger Things|Romeo and Juliet|Ocean's Eleven|Heat|Ant-Man|The Simpsons|Othello|The Hunger Games
Peaky Blinders|Money Heist|The Sopranos
"""
)
GAMES = phrases(
    """
Minecraft|chess|Fortnite|Grand Theft Auto|Call of Duty|Zelda|Pokemon|The Sims|Monopoly|Skyrim|Age of Empires
Risk|Doom|Dungeons and Dragons|World of Warcraft|League of Legends|Counter-Strike|Civilization|Mario Kart
Hitman|Among Us|Tetris|Assassin's Creed|Fallout|Overwatch|Elden Ring|a board game|a video game|paintball
laser tag|Halo|Roblox|Battleship|Clash Royale
"""
)

POOLS: Mapping[str, tuple[str, ...]] = {
    "person": PEOPLE,
    "group": GROUPS,
    "place": PLACES,
    "org": ORGANISATIONS,
    "account": ACCOUNTS,
    "drug": DRUGS,
    "poison": POISONS,
    "weapon": WEAPONS,
    "valuable": VALUABLES,
    "malware": MALWARE,
    "document": DOCUMENTS,
    "falsehood": FALSEHOODS,
    "atrocity": ATROCITIES,
    "crime": CRIMES,
    "private": PRIVATE_ITEMS,
    "someone": PRIVATE_PEOPLE,
    "character": CHARACTERS,
    "famous": PUBLIC_PEOPLE,
    "body": PUBLIC_BODIES,
    "public": PUBLIC_ITEMS,
    "things": THINGS,
    "right": RIGHTS,
    "impossible": IMPOSSIBLE,
    "song": SONGS,
    "book": BOOKS,
    "film": FILMS,
    "game": GAMES,
}
