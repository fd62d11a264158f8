"""The ways out: e-mail and short messages to the people who work here.

``queue`` keeps what is to be sent, ``sending`` sends it, ``mail`` and ``sms`` speak the protocols, ``spreading`` decides who
hears of a notice where and when, ``wording`` says it. Nothing here waits inside an act: messages are queued, and the worker
sends them.
"""
