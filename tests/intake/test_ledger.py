"""A whole city's sample, of every service, sealed and worked out again from its entries: nothing differs."""

from gongzhi.intake import sample, scenes
from gongzhi.intake.crew import Crew
from gongzhi.kernel.seals.replay import replay
from gongzhi.kernel.seals.sealing import seal
from gongzhi.kernel.seals.signing import seal_keys
from gongzhi.kernel.seals.verifying import verify


def test_the_sample_city_agrees_with_its_ledger(people: Crew) -> None:
    sample.load("small")
    scenes.load()
    seal()
    report = verify(seal_keys().verifiers)
    assert replay(report) == 0
    assert (report.findings, report.sealed) == ([], report.entries)
    assert report.entries > 1000
