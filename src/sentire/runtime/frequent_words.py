"""The most frequent words of English and of eight other languages, by which a language is told apart.

The lists hold only what speaks for a language: words that are frequent in English and in another language too ("in",
"is", "was", "die", "come", "her", "plus") stand in none of them.
"""

from collections.abc import Mapping
from types import MappingProxyType

_ENGLISH = """
    the and of that this these those it it's its you your you're yours he's she's she hers his him they they're their
    them we're our us i'm i've i'll i'd my myself are aren't isn't wasn't were weren't been being have haven't has
    hasn't having does doesn't don't didn't doing done can't cannot could couldn't would wouldn't should shouldn't
    will won't might must what what's when where which who who's whose why how how's there there's here here's with
    without for from about after before because but not or if than then too very just only even still never always
    ever some any every each other another much many more most less least few own same such into out up down off again
    now today really people thing things something anything nothing everything someone anyone everyone think thought
    know knew like love want make makes made get got getting going gonna wanna go went came see saw say said says tell
    told take took give good great best better bad worst well nice happy sad sorry thank thanks please right wrong
    yeah yes oh lol first last new old big little long time year years day days way life world work back feel feels
    look looks looking need needs try trying let let's keep believe understand hope sure actually probably maybe
"""

_OTHERS: Mapping[str, str] = MappingProxyType(
    {
        "German": """
        der das ist nicht und ich ein eine einen einem einer eines sie wir ihr mich mir dich dir sich mein meine meinen
        meiner meinem dein deine seine ihre unser kein keine keinen auf mit aber noch schon wenn weil dass wie wieder
        nur sehr immer heute gestern morgen haben habe hatte bist sind wird wurde werden kann konnte muss nach vor bei
        für über zu zum zur von vom aus doch mehr alles etwas nichts hier jetzt dann warum auch
        """,
        "French": """
        le la les des du une est suis sont été pas ne je tu il elle nous vous ils elles ce cette ces cet mon mes ta ses
        leur que qui quoi où quand mais avec sans sous dans sur très trop bien moins tout toute tous toutes être avoir
        ai avait étais était fait faire cela ça c'est j'ai n'est qu'il qu'elle d'un d'une aussi comme toujours jamais
        encore aujourd'hui rien peu beaucoup parce merci
        """,
        "Spanish": """
        el los las una unos unas del al es soy eres está estoy están estaba fue fui ser tener tengo tiene hay muy pero
        por porque para con como cuando donde qué quién tú él ella nosotros ellos mi mis sus nuestro nuestra esto esta
        este eso esa ese se nos también nunca siempre todo todos toda nada algo mucho más menos hoy ayer gracias
        """,
        "Italian": """
        di che è sono ho hai abbiamo hanno ero stato stata essere avere gli della dello delle degli dei nel nella nelle
        alla alle senza tra dove perché io noi voi loro mio mia miei tuo tua suo sua questo questa quello quella molto
        più meno tutto tutti niente sempre mai anche ancora però oggi ieri grazie così
        """,
        "Portuguese": """
        uma umas não nao sou são está estou estava foi ter tenho tem há muito mas sem quem você vocês ele ela eles nós
        meu minha meus minhas seu sua isso isto essa esse já também tudo mais hoje ontem obrigado obrigada dos das pelo
        pela ao
        """,
        "Dutch": """
        het een van dat niet en zijn ben heb heeft hebben ik jij je hij zij wij jullie ze mijn jouw haar ons onze zonder
        voor naar uit maar omdat wanneer waar wat hoe ook nog altijd nooit heel veel meer dit deze werd wordt kon moet
        zou geen iets niets vandaag gisteren nu weer toen te aan
        """,
        "Polish": """
        nie jest są być był była było byłem byłam mam się że na przed przez przy dla ale lub czy jak kiedy gdzie kto
        dlaczego mnie moja moje moich twoja twój jego jej nas wam ich tego tej tym bardzo tylko także już jeszcze zawsze
        nigdy wszystko nic dzisiaj dziś wczoraj teraz jestem dziękuję
        """,
        "Turkish": """
        bir bu şu ve ile için ama fakat çünkü gibi kadar daha çok az mı mu mü değil yok biz siz onlar beni seni bana
        sana bize benim senin onun bizim sizin kendimi kendi neden nasıl nerede hiç hep artık bugün dün şimdi sonra önce
        oldu olan olarak etti içinde üzerinde bile şey teşekkür teşekkürler
        """,
    }
)

ENGLISH_WORDS = frozenset(_ENGLISH.split())
OTHER_WORDS = frozenset(word for words in _OTHERS.values() for word in words.split())
