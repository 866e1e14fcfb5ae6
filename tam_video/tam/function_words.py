"""Function words of English, German, French and Spanish.

Words of direction and location ("up", "left", "above") and answers ("yes", "no") are excluded on
purpose: they refer to the picture. So are words that are a noun or verb in another of the languages
("car", "hat", "man", "pour", "son", "sin").
"""

from __future__ import annotations

_ENGLISH = """
a about after again all also am an and any are aren't as at be because been before being both but
by can can't cannot could couldn't did didn't do does doesn't doing don't during each either else
few for from further had has hasn't have haven't having he he's her here hers herself him himself
his how i i'm if in into is isn't it it's its itself just let me more most my myself neither nor
not of on once only onto or other our ours ourselves over own same she she's should so some such
than that that's the their theirs them themselves then there there's these they they're this those
through to too until upon us very was wasn't we we're were weren't what when where whether which
while who whom whose why will with within without won't would wouldn't you you're your yours
yourself yourselves
"""
_GERMAN = """
aber als am an auch auf aus bei beim bis da das dass dem den denn der des die dies diese dieser
dieses doch du durch ein eine einem einen einer eines er es für gegen hier ich ihm ihn ihr ihre im
in ins ist jedoch kann kein keine mein mit nach nicht noch nur ob oder ohne sein seine sich sie
sind so über um und uns unter vom von vor weil wenn wer werden wie wir wird wo wurde zu zum zur
"""
_FRENCH = """
à au aux avec c'est ce ces cet cette comme d'un d'une dans de des donc du elle elles en entre est
et être eux il ils je la le les leur leurs lui mais même mes ne nos notre nous on ont ou où par
pas pendant puis qu'elle qu'il qu'un qu'une quand que qui sa sans se ses si sont sous sur te tu un
une vos votre vous y
"""
_SPANISH = """
al algo ante con como cual cuando de del desde donde e el ella ellas ellos en entre era es esa ese
eso esta estas este esto estos está están fue ha han hasta hay la las le les lo los más mi muy
nada ni nos o para pero por porque que quien se ser si sobre su sus también te tiene un una unas
uno unos y ya yo
"""

FUNCTION_WORDS = frozenset(
    word for language in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH) for word in language.split()
)
