"""Schemas made of the declarations: one for each action's form, one for each service's record."""

from typing import Any, ClassVar, Literal

from django import forms
from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field, create_model

from gongzhi.kernel.fields import Code, Fact, FlagChoice, Money, MoneyField
from gongzhi.kernel.forms import AgencyField, PlaceField, PointField
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.service import Service
from gongzhi.kernel.vault import limits
from gongzhi.tongue import filled, later


def _described(schema: dict[str, Any], made: type[BaseModel]) -> None:
    """Describe the schema to whoever reads the document, instead of by the docstring, which is for us."""
    schema.pop("description", None)
    if "said" in made.__dict__:
        schema["description"] = made.__dict__["said"]


class Told(Schema):
    """A schema that says what it is in the reader's language: ``said``."""

    model_config = ConfigDict(json_schema_extra=_described)


class Strict(BaseModel):
    """A body in which an unknown name is an error. Not ninja's Schema, which would check it twice, once by way of attributes."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_described)


class DoneOut(Told):
    """The act happened; ``repeated``: it had happened before under the same key. ``follow`` only where a record was made."""

    said: ClassVar[str] = later("办理完成。repeated：同一个键以前已经办过；follow：只在新登记时有，是查询码。")
    record: str
    number: str
    version: int
    stage: str
    repeated: bool
    follow: str = ""


class ErrorOut(Told):
    """A problem (RFC 9457): ``detail`` is one sentence for a person, ``type`` the address that explains its kind."""

    said: ClassVar[str] = later("一种错误（RFC 9457）：detail 是给人看的一句话，type 是说明这种错误的地址。")
    type: str
    title: str
    status: int
    detail: str
    instance: str = ""


class KindOut(Told):
    """What a kind of problem means, and the status that it comes with."""

    said: ClassVar[str] = later("一种错误的含义，以及它的状态码。")
    type: str
    status: int
    title: str
    meaning: str


class InvalidOut(ErrorOut):
    """What is wrong, by field."""

    said: ClassVar[str] = later("errors 按表单项列出各自的错误。")
    errors: dict[str, list[str]] = {}


class ConflictOut(ErrorOut):
    """Who was first, what they did and when, and how the record stands now."""

    said: ClassVar[str] = later("谁先办理、何时、做了什么，以及记录现在的样子。")
    who: str = ""
    agency: str = ""
    at: str = ""
    action: str = ""
    version: int = 0
    stage: str = ""


REFUSALS: dict[int, Any] = {
    400: ErrorOut, 401: ErrorOut, 404: ErrorOut, 409: ConflictOut, 412: ConflictOut, 422: InvalidOut, 428: ErrorOut,
    503: ErrorOut, 507: ErrorOut,
}  # fmt: skip


TAKEN: dict[int, Any] = {413: ErrorOut}
"""What may be wrong beside, where files are sent."""
BINARY = {"type": "string", "format": "binary"}


class FileOut(Told):
    """An attachment: its name as it was admitted, the type that its content has, bytes, and where it is read."""

    said: ClassVar[str] = later("一个附件：收下时的文件名、内容的实际类型、字节数和下载地址。")
    file: str
    name: str
    media_type: str
    size: int
    at: str
    action: str
    href: str


class UploadedOut(DoneOut):
    """The files are kept; ``files`` are the ones of this act."""

    said: ClassVar[str] = later("文件已收下；files 是这一次的文件。")
    files: list[FileOut]


class FoundOut(Told):
    """A record as lists and search give it."""

    said: ClassVar[str] = later("列表和查找里的一条记录。")
    record: str
    service: str
    number: str
    title: str
    stage: str
    stage_title: str
    agency: int
    agency_title: str
    agency_code: str
    place: int
    place_name: str
    place_code: str
    lon: float | None = None
    lat: float | None = None
    opened_at: str
    due_at: str | None = None
    due_source: str = ""
    paused_at: str | None = None
    closed_at: str | None = None
    version: int


class HistoryOut(Told):
    """One act of a record."""

    said: ClassVar[str] = later("记录办理过程中的一步。")
    at: str
    who: str
    agency: str
    action: str
    title: str
    words: dict[str, str]
    facts: dict[str, str]
    files: list[str]


class LevelOut(Told):
    """A level of the taxonomy on the way to a kind."""

    said: ClassVar[str] = later("类别的一级，从大类到小类；confidence 是到这一级的把握。")
    code: str
    title: str
    confidence: float


class WeightOut(Told):
    """A word that speaks for a proposal."""

    said: ClassVar[str] = later("文字里支持这个建议的一个词，和它的权重。")
    word: str
    weight: float


class ProposalOut(Told):
    """A kind and an agency that the machine proposes; a person decides. ``sure``: the page offers it with one click."""

    said: ClassVar[str] = later("系统建议的一个类别和单位，由人决定。sure：把握够大，页面上可以一键采用。")
    category: str
    path: list[LevelOut]
    agency: int
    agency_code: str
    agency_title: str
    place: int | None = None
    confidence: float
    sure: bool
    model: str
    words: list[WeightOut]
    reasons: list[str]


class ProposalsOut(Told):
    """What is proposed for a record, the best first; ``proposed`` goes back with the form of ``action``."""

    said: ClassVar[str] = later(
        "对一条记录的建议，把握大的在前；办理 action 时把 proposed 原样放进表单。没有可办的动作时为空。"
    )
    action: str
    proposed: str
    proposals: list[ProposalOut]


def _type(asked: forms.Field) -> Any:
    match asked:
        case PlaceField() | AgencyField() | forms.IntegerField() if not isinstance(asked, forms.DecimalField):
            return int
        case forms.DecimalField() | MoneyField():
            return str | int | float
        case FlagChoice():
            return bool | str
        case PointField():
            return tuple[float, float] | str
        case _:
            return str


def form_schema(service: Service, action: Action) -> type[Strict]:
    """Return the schema of an action's form; ``Field`` descriptions are what the page shows as label and hint."""
    fields: dict[str, Any] = {}
    for name, asked in service.form(action).fields.items():
        kind = _type(asked)
        words = filled("{} {}" if asked.help_text else "{}", asked.label, asked.help_text)
        fields[name] = (
            (kind, Field(description=words)) if asked.required else (kind | None, Field(None, description=words))
        )
    return create_model(f"{service.code}_{action.code}_form", __base__=Strict, **fields)


def body_schema(service: Service, action: Action) -> type[Strict]:
    """Return the schema of the body that does an action: its form, and the version that was seen where it matters."""
    form = form_schema(service, action)
    required = any(field.is_required() for field in form.model_fields.values())
    fields: dict[str, Any] = {"form": (form, ...) if required else (form, Field(default_factory=form))}
    if not action.creates:
        words = later("读到的版本号，也可以用 If-Match；别人先改过时得到 409")
        fields["version"] = (int | None, Field(None, description=words))
    return create_model(f"{service.code}_{action.code}", __base__=Strict, **fields)


def sought_schema(service: Service) -> type[Strict]:
    """Return the schema of a search by telephone: the number, and a purpose of the service's list that is under no seal."""
    purposes = tuple(one.code for one in service.reasons.values() if not one.sealed)
    fields: dict[str, Any] = {
        "phone": (str, Field(description=later("整个电话号码；空格、横线、+86、全角数字都可以"))),
        "purpose": (Literal[purposes], Field(description=later("查看个人信息的用途"))),
    }
    return create_model(f"{service.code}_persons", __base__=Strict, **fields)


def multipart(service: Service, action: Action) -> dict[str, Any]:
    """Return what OpenAPI says beside the JSON body of an act that takes files: the same body as one part, and the files."""
    schema = {
        "type": "object",
        "required": ["body"],
        "properties": {
            "body": {"$ref": f"#/components/schemas/{service.code}_{action.code}"},
            "files": {"type": "array", "items": BINARY, "maxItems": limits().files},
        },
    }
    encoding = {"body": {"contentType": "application/json"}}
    return {"requestBody": {"content": {"multipart/form-data": {"schema": schema, "encoding": encoding}}}}


def _fact_type(fact: Fact) -> Any:
    return fact.python if fact.python in (int, bool) and not isinstance(fact, Money) else str


def record_schema(service: Service, *, texts: bool) -> type[Schema]:
    """Return the schema of a record; in lists the long texts are left out."""
    facts: dict[str, Any] = {}
    for name, fact in service.all_facts.items():
        if texts or not fact.words:
            facts[name] = (_fact_type(fact) | None, Field(None, description=fact.verbose_name))
            if isinstance(fact, Code):
                facts[f"{name}_title"] = (str | None, None)
    suffix = "record" if texts else "row"
    inner = create_model(f"{service.code}_{suffix}_facts", __base__=Told, **facts)
    more: dict[str, Any] = {"facts": (inner, ...)}
    if texts:
        more["actions"] = (list[str], Field([], description=later("我现在可以做的动作")))
    return create_model(f"{service.code}_{suffix}", __base__=FoundOut, **more)


def page_schema(service: Service) -> type[Schema]:
    """Return the schema of one page of a list; ``next`` is the cursor of the page after it, "" on the last."""
    items: Any = list[record_schema(service, texts=False)]  # type: ignore[misc]
    return create_model(f"{service.code}_page", __base__=Told, items=(items, ...), next=(str, ""))


def facts_out(service: Service, row: Any, *, texts: bool) -> dict[str, Any]:
    """Return a row's facts as the API gives them: value, and title beside a code; decimals and money as exact texts."""
    made: dict[str, Any] = {}
    for name, value in service.values(row).items():
        fact = service.all_facts[name]
        if texts or not fact.words:
            made[name] = fact.typed(value) if isinstance(fact, Money) and value is not None else value
            if isinstance(fact, Code):
                made[f"{name}_title"] = fact.display(value)
    return made
