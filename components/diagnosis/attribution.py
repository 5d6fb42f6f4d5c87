"""From measurements to causes: what made validation collapse, and what did not; pure.

A rule a cause, asked from the top down. A cause is strong when undoing it on the model in hand gives the lost accuracy
back, or when nothing else could make the numbers; otherwise it is moderate.
"""

from components.diagnosis import direct, exclusion
from components.diagnosis.answers import Answer, Cause, Diagnosis, RuledOut, Unexamined
from components.diagnosis.evidence import Measurements
from components.diagnosis.symptoms import suffers


def attribute(measured: Measurements) -> Diagnosis:
    """Names what made the model fail, in order of confidence.

    Args:
        measured: Whatever is known; what is None counts as unexamined, never as clean.
    """
    if not suffers(measured):
        return Diagnosis((), (), ())
    answers: list[Answer] = [answer for rule in direct.RULES if (answer := rule(measured))]
    for by_exclusion in exclusion.RULES:
        answers.append(by_exclusion(measured, [answer for answer in answers if isinstance(answer, Cause)]))
    causes = [answer for answer in answers if isinstance(answer, Cause)]
    return Diagnosis(
        tuple(sorted(causes, key=lambda cause: (cause.confidence != "strong", -(cause.explains or 0)))),
        tuple(answer for answer in answers if isinstance(answer, RuledOut)),
        tuple(answer for answer in answers if isinstance(answer, Unexamined)),
    )
