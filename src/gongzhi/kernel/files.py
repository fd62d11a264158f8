"""Reading an attachment: seen by who sees its record, opened with the record's key."""

from collections.abc import Iterator

from gongzhi.kernel.keys import unwrap
from gongzhi.kernel.models import Attachment, RecordKey
from gongzhi.kernel.vault import open_stored


def open_file(attachment: Attachment) -> Iterator[bytes]:
    """Return the file's content in chunks; call it inside ``acting()`` or ``following()``.

    Raises keys.KeyDestroyed, vault.Missing, keys.Tampered.
    """
    wrapped = RecordKey.objects.filter(record=attachment.record_id).values_list("wrapped", flat=True).first()
    return open_stored(attachment, unwrap(wrapped))
