"""A model learns from labelled messages, is measured, says why, and keeps nothing of anybody in its file."""

import csv
import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from gongzhi.cli.main import main
from gongzhi.intake.learning import scores
from gongzhi.intake.learning.examples import Example, Examples, UnfitFile, check, from_file, of
from gongzhi.intake.learning.measuring import evaluate
from gongzhi.intake.learning.model import BadModel, Model, load
from gongzhi.intake.learning.texts import TEXT, groups, normal
from gongzhi.intake.learning.training import train

RARE_NAME, RARE_PHONE = "欧阳震华", "13912345678"
WORDS = {
    "教育文体": ["学校", "老师", "补课", "学生", "幼儿园", "招生", "教育局", "学费"],
    "环境保护": ["污染", "油烟", "噪音", "废气", "工厂", "臭味", "排放", "环保局"],
    "交通运输": ["公交车", "出租车", "班次", "高速", "司机", "客运", "站台", "拒载"],
}
COMMON = ["我们小区", "请尽快处理", "已经很久了", "希望有关部门", "晚上", "居民", "没有人管", "多次反映"]


def messages(count: int = 40) -> list[Example]:
    """Made-up messages: words of a class among words of all."""
    dice, made = Random(7), []
    for number in range(count):
        for label, own in WORDS.items():
            said = dice.sample(own, 3) + dice.sample(COMMON, 4)
            dice.shuffle(said)
            made.append(Example(label, dice.choice(own), "，".join(said), f"{label}{number}"))
    return made


@pytest.fixture(scope="module")
def learnt() -> Model:
    rare = Example(
        "教育文体", "补课", f"我叫{RARE_NAME}，电话{RARE_PHONE}，邮箱 rare.person@example.org，老师补课", "rare"
    )
    return train(of([*messages(), rare], "made-up"))


def write(path: Path, rows: list[Example], encoding: str = "utf-8", head: str = "label,title,detail,group") -> Path:
    text = "\r\n".join([head, *(f"{one.label},{one.title},{one.detail.replace(',', ' ')},{one.group}" for one in rows)])
    path.write_bytes(gzip.compress(text.encode(encoding)) if path.suffix == ".gz" else text.encode(encoding))
    return path


def test_it_learns_what_people_decided_and_says_how_sure_it_is(learnt: Model) -> None:
    assert learnt.labels == ("交通运输", "教育文体", "环境保护")
    likely = learnt.probabilities([("拒载", "出租车司机拒载"), ("", "工厂排放废气，臭味很大")])
    assert likely.sum(axis=1) == pytest.approx([1, 1])
    assert [learnt.labels[at] for at in likely.argmax(axis=1)] == ["交通运输", "环境保护"]
    assert learnt.about["macro_f1"] > 0.95
    assert 0 < learnt.threshold < 1


def test_the_words_that_spoke_for_a_class_are_of_the_text_and_add_up(learnt: Model) -> None:
    title, detail = "拒载", "我们小区门口的出租车司机拒载"
    found = learnt.words(title, detail, ["交通运输", "教育文体"], most=50)
    words = [word.word for word in found["交通运输"]]
    assert set(words[:2]) == {"拒载", "出租车"}
    assert set(words) <= {"拒载", "我们", "小区", "门口", "出租车", "司机"}
    assert all(word.weight > 0 for word in found["交通运输"])
    assert {word.word for word in found["交通运输"] if word.above} <= {"拒载"}
    above = learnt.scores([(title, detail)])[0] - learnt.bias
    gain = above[learnt.labels.index("交通运输")] - above.mean()
    assert sum(word.weight for word in found["交通运输"]) == pytest.approx(
        gain, rel=0.35
    )  # the rest lies between the words
    assert sum(word.weight for word in found["教育文体"]) < sum(word.weight for word in found["交通运输"])


def test_a_file_is_the_same_model_again_and_nothing_in_it_can_run(learnt: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    learnt.save(path)
    again = load(path)
    assert again.name == learnt.name
    assert np.array_equal(again.probabilities([("", "公交车")]), learnt.probabilities([("", "公交车")]))
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                assert np.lib.format.read_magic(member) in ((1, 0), (2, 0), (3, 0))
                head = np.lib.format.read_array_header_1_0(member)
                assert not head[2].hasobject, name


@pytest.mark.parametrize("spoil", ["objects", "weights", "label", "cut", "text", "bomb"])
def test_a_file_that_is_not_what_was_written_is_refused_in_a_sentence(
    spoil: str, learnt: Model, tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    learnt.save(path)
    with np.load(path) as held:
        arrays = dict(held)
    match spoil:
        case "objects":
            arrays["weights"] = np.array([print], object)
            np.savez(path, allow_pickle=True, **arrays)
        case "weights":
            arrays["weights"] = arrays["weights"] + np.float32(0.01)
            np.savez(path, **arrays)
        case "label":
            about = arrays["about"].tobytes().replace("交通运输".encode(), "交通运錀".encode())
            np.savez(path, **{**arrays, "about": np.frombuffer(about, np.uint8)})
        case "cut":
            path.write_bytes(path.read_bytes()[:-200])
        case "text":
            path.write_text("no model")
        case "bomb":
            with (
                zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
                archive.open("weights.npy", "w") as member,
            ):
                for _ in range(201):
                    member.write(bytes(2**20))
    with pytest.raises(BadModel, match="gongzhi routing train|太大"):
        load(path)


def test_nothing_of_a_person_is_in_the_file_or_can_be_got_out_of_it(learnt: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    learnt.save(path)
    with zipfile.ZipFile(path) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (RARE_NAME, RARE_NAME[:2], RARE_PHONE, RARE_PHONE[:7], "rare.person", "我们小区"):
        assert secret.encode() not in content
        assert secret.encode("utf-32-le") not in content
    kept = set(learnt.kept.tolist())
    for secret in (RARE_NAME, "rare.person"):  # whoever tries each name finds that none of its parts is known
        assert not kept & set(groups([normal(secret)], TEXT).hash.tolist())
    silent, _empty = learnt.scores([(RARE_NAME, ""), ("鑫淼龘", "")])
    assert silent == pytest.approx(learnt.bias, abs=1e-6)
    assert normal(f"电话 {RARE_PHONE}，房号 3-201") == "电话0,房号0-0"
    assert not any(letter.isdigit() for words in learnt.about["words"].values() for word in words for letter in word)


def test_training_twice_gives_the_same_model(learnt: Model) -> None:
    few = of(messages(8), "made-up")
    first, second = train(few), train(few)
    assert np.array_equal(first.weights, second.weights)
    assert first.about["digest"] == second.about["digest"] == few.digest


def test_messages_that_read_the_same_never_stand_on_both_sides() -> None:
    dice = Random(3)
    noise = [
        Example(dice.choice(list(WORDS)), "", f"第{'甲乙丙丁戊'[at % 5]}号{at}件事", f"g{at % 12}") for at in range(120)
    ]
    for at, one in enumerate(noise):
        noise[at] = Example(
            f"{'交教环'[int(one.group[1:]) % 3]}",
            "",
            f"同一件事{'一二三四五六七八九十百千'[int(one.group[1:])]}" * 3,
            one.group,
        )
    made = train(of(noise, "made-up"))
    assert made.about["accuracy"] < 0.6  # each text is known from its own group alone, which is held out whole


def test_what_a_class_lacks_or_a_file_lacks_is_said(tmp_path: Path) -> None:
    rows = messages(4)
    assert {one.label for one in from_file(write(tmp_path / "a.csv", rows, "gb18030")).all} == set(WORDS)
    assert len(from_file(write(tmp_path / "a.csv.gz", rows)).all) == len(rows)
    made = from_file(write(tmp_path / "b.csv", rows, head="Label,title,DETAIL,other"))
    assert made.all[0].group == from_file(write(tmp_path / "b.csv", rows[:1], head="label,title,detail,x")).all[0].group
    for name, content, said in (
        ("empty.csv", b"", "空的"),
        ("head.csv", b"label,title,detail\r\n", "没有数据"),
        ("columns.csv", "label,text\r\n甲,乙\r\n".encode(), "缺少列"),
        ("letters.csv", "label,title,detail\r\n甲,乙,".encode() + b"\xff\xfe\x00\x81\r\n", "编码"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n1234", "不是表格"),
        ("broken.csv.gz", b"\x1f\x8b\x08\x00broken", "损坏"),
        ("blank.csv", "label,title,detail\r\n,有字,没有类别\r\n甲,,\r\n".encode(), "没有一行"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UnfitFile, match=said):
            from_file(path)
    with pytest.raises(UnfitFile, match="读不到"):
        from_file(tmp_path / "nowhere.csv")
    with pytest.raises(UnfitFile, match="只有一个类别"):
        check(of([one for one in rows if one.label == "教育文体"], "x"))
    with pytest.raises(UnfitFile, match="“民政”只有一条"):
        check(of([*rows, Example("民政", "低保", "低保怎么办", "m"), Example("民政", "低保", "低保怎么办", "m")], "x"))


def test_scores_are_those_of_the_definitions() -> None:
    counts = scores.confusion([0, 0, 1, 1, 1, 2], [0, 1, 1, 1, 0, -1], 3)
    assert counts.tolist() == [[1, 1, 0, 0], [1, 2, 0, 0], [0, 0, 0, 1]]
    told = scores.by_class(counts, ["a", "b", "c"])
    assert (told["b"]["precision"], told["b"]["recall"]) == (round(2 / 3, 4), round(2 / 3, 4))
    assert told["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "messages": 1}
    assert scores.macro_f1(counts) == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert scores.calibration([0.95] * 10, [1] * 9 + [0])["ece"] == pytest.approx(0.05)
    assert scores.calibration([0.55, 0.55, 0.95, 0.95], [1, 0, 1, 1])["ece"] == pytest.approx(0.05)
    steps = scores.levels([0.4, 0.6, 0.8, 0.9], [0, 1, 1, 1])
    assert scores.threshold(steps) == 0.45


def test_a_class_that_was_never_learnt_counts_as_wrong_and_is_named() -> None:
    learn = of(messages(10), "a")
    test = of([*messages(12)[30:], Example("民政", "低保", "低保怎么办", "m")], "b")
    told = evaluate(learn, test)
    assert told["per_class"]["民政"]["recall"] == 0
    assert told["macro_f1"] < 1
    assert {"macro_f1", "accuracy", "per_class", "messages_per_second"} <= told.keys()
    assert any("“民政”" in note for note in told["notes"])
    assert not any("也有" in note for note in told["notes"])
    assert any("也有" in note for note in evaluate(learn, learn)["notes"])


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs a routing command on a home of its own: exit code, what it said, what it complained."""
    monkeypatch.setenv("GONGZHI_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "")

    def do(*arguments: str, said: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        code = main(["routing", *arguments])
        return code, *capsys.readouterr()

    return do


def test_commands_train_measure_and_serve_without_a_database(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    table, other = write(tmp_path / "a.csv", messages(12)), write(tmp_path / "b.csv.gz", messages(14)[36:])
    assert run("serve")[0] == 2
    code, said, complained = run("train", str(table), "--json")
    assert (code, complained) == (0, "")
    assert (tmp_path / "routing" / "model.npz").stat().st_mode & 0o777 == 0o600
    assert json.loads(said.splitlines()[-1])["messages"] == 36
    told = json.loads(run("evaluate", "--train", str(table), "--test", str(other), "--json")[1].splitlines()[-1])
    assert {"macro_f1", "accuracy", "per_class", "messages_per_second"} <= told.keys()
    lines = [
        '{"title": "拒载", "detail": "出租车司机拒载"}',
        "no json",
        "[1]",
        '{"detail": null}',
        '{"detail": "' + "很" * 10**6 + '"}',
    ]
    answers = [json.loads(line) for line in run("serve", said="\n".join(lines))[1].splitlines()]
    assert answers[0]["proposals"][0]["path"][0]["title"] == "交通运输"
    assert answers[0]["proposals"][0]["words"]
    assert [list(one) for one in answers[1:3]] == [["error"], ["error"]]
    assert answers[3]["proposals"] == []
    assert len(answers) == 5
    assert not (tmp_path / "postgres").exists()
    for wrong in (
        ("train",),
        ("train", str(tmp_path / "none.csv")),
        ("evaluate", "--train", str(tmp_path / "none.csv")),
    ):
        code, _said, complained = run(*wrong)
        assert (code, len(complained.strip().splitlines())) == (2, 1), complained


def test_large_and_odd_texts_are_read(learnt: Model) -> None:
    odd = [
        "",
        "😀😀😀",
        "\x00\x01",
        "a" * 10**6,
        "<script>alert(1)</script>",
        "\ud800",
        "English only, no Chinese",
        "　　",
    ]
    likely = learnt.probabilities([(text, text) for text in odd])
    assert np.isfinite(likely).all()
    assert not learnt.reads("", "  ……！！")
    assert not learnt.reads("", "")


def test_rows_with_commas_and_line_breaks_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "quoted.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [["row", "label", "title", "detail"], ["1", "甲", "一,二", "第一行\n第二行"], ["2", "乙", "x", ""]]
        )
    made: Examples = from_file(path)
    assert [(one.title, one.detail) for one in made.all] == [("一,二", "第一行\n第二行"), ("x", "")]
