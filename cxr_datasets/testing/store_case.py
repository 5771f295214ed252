"""One test case that every place of files passes, whatever it is kept in.

After the `StoreTests` of zarr-python.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pytest

from cxr_datasets.storage.by_address import read_address, remember
from cxr_datasets.storage.credentials import StorageOptions
from cxr_datasets.storage.source import Source, Stamp, open_place
from cxr_datasets.testing.forking import in_fork

FILES = {
    "table.csv": b"a,b\n1,2\n",
    "empty": b"",
    "images/one.png": b"one",
    "images/two.png": b"two and more",
    "images/deep/three.png": b"\0\1\2",
    "odd [x] ü/a b.txt": b"odd",
}
"""Path and content of each file that `StoreCase` puts into a place."""

THREADS = 16


class StorePlace(Protocol):
    """An empty folder in a store, as its owner sees it.

    Attributes:
        url: Its address.
    """

    url: str

    def put(self, path: str, content: bytes) -> None:
        """Write a file, new or in the place of an old one."""

    def remove(self, path: str) -> None:
        """Remove a file."""


class StoreCase:
    """Puts a few files into a place, and asks a `Source` of it for all that a source can tell.

    Subclass it as `Test...` and define `place`:

        from cxr_datasets.testing import StoreCase

        class TestMyStore(StoreCase):
            @pytest.fixture
            def place(self):
                return MyFolder(...)  # an empty one for each test: `url`, `put`, `remove`

    Where reading needs a login, define `storage_options` too.

    Attributes:
        LISTS_FOLDERS: Whether the store tells what is in a folder.
    """

    LISTS_FOLDERS: ClassVar[bool] = True

    # What a subclass defines.

    @pytest.fixture
    def place(self) -> StorePlace:
        """An empty folder, the test's own."""
        raise NotImplementedError("Define the fixture `place`.")

    @pytest.fixture
    def storage_options(self) -> dict[str, Any]:
        """What `load_dataset` would be given to read it."""
        return {}

    # What the tests use.

    @pytest.fixture
    def opened(self, place: StorePlace, storage_options: dict[str, Any]) -> Callable[[], Source]:
        """Opens the place with its files in it, anew at each call."""
        for path, content in FILES.items():
            place.put(path, content)
        return lambda: open_place(place.url, StorageOptions(storage_options, place.url))

    @pytest.fixture
    def source(self, opened: Callable[[], Source]) -> Source:
        """The place with its files in it."""
        return opened()

    @pytest.fixture
    def pool(self) -> Iterator[ThreadPoolExecutor]:
        """Threads that use what is read."""
        with ThreadPoolExecutor(4) as pool:
            yield pool

    # What is there.

    def test_a_file_has_its_size(self, source: Source) -> None:
        """`size`, `few_sizes` and `sizes` agree."""
        sizes = [len(content) for content in FILES.values()]
        assert [source.size(path) for path in FILES] == sizes
        assert source.few_sizes(list(FILES)) == sizes
        assert source.sizes(list(FILES)).tolist() == sizes

    def test_what_is_no_file_has_no_size(self, source: Source) -> None:
        """Folders, absent files, and what would be below a file."""
        paths = ["images", "absent", "absent/too", "table.csv/below"]
        assert [source.size(path) for path in paths] == [None] * 4
        assert source.few_sizes(paths) == [None] * 4
        assert source.sizes(paths[1:]).tolist() == [-1] * 3
        assert source.few_sizes([]) == source.sizes([]).tolist() == []

    def test_sizes_come_in_the_order_asked_for(self, source: Source) -> None:
        """Whatever is absent in between."""
        paths = ["images/two.png", "absent", "empty", "images/one.png", "table.csv"] * 50
        assert source.sizes(paths).tolist() == [12, -1, 0, 3, 8] * 50

    def test_the_first_file_that_is_there_and_not_empty_is_found(self, source: Source) -> None:
        """In the order given."""
        assert source.first_existing(["absent", "empty", "images", "table.csv"]) == "table.csv"
        assert source.first_existing(["images/two.png", "table.csv"]) == "images/two.png"
        assert source.first_existing(["absent", "empty"]) is None

    def test_names_of_a_folder_are_sorted_and_its_own_only(self, source: Source) -> None:
        """No name of a folder further down; none of what is absent or a file."""
        if not self.LISTS_FOLDERS:
            pytest.skip("this store tells no names")
        assert source.names() == ["empty", "images", "odd [x] ü", "table.csv"]
        assert source.names("images") == ["deep", "one.png", "two.png"]
        assert source.names("absent") == source.names("table.csv") == []
        for folder in ("", "images", "absent", "table.csv"):
            assert source.some_names(folder) == source.names(folder)

    def test_a_folder_is_told_from_a_file_and_from_nothing(self, source: Source) -> None:
        """`is_folder` takes no file for a folder."""
        assert source.is_folder("images") == self.LISTS_FOLDERS
        assert not source.is_folder("table.csv")
        assert not source.is_folder("absent")

    def test_a_folder_of_a_place_is_a_place(self, source: Source) -> None:
        """And the one above it is where it was."""
        inner = source.folder("images")
        assert inner.size("one.png") == 3
        assert inner.read("deep/three.png") == b"\0\1\2"
        assert inner.folder("..").read("table.csv") == FILES["table.csv"]
        assert source.folder("absent").size("one.png") is None
        assert source.folder("absent").names() == []

    def test_nothing_is_wrong_with_it(self, source: Source) -> None:
        """Neither as a place for a release, nor with its permissions."""
        assert source.problem() is None
        assert not source.is_broken
        assert not source.is_closed
        source.check_permitted("table.csv")
        source.check_permitted("absent")

    # Versions.

    def test_a_stamp_is_the_same_until_the_file_changes(
        self, opened: Callable[[], Source], place: StorePlace
    ) -> None:
        """Even by one that is no longer than before."""
        first = opened().stamp("table.csv")
        assert isinstance(first, Stamp)
        assert first.path == "table.csv"
        assert first.version
        assert opened().stamps(["images/one.png", "table.csv"])[1] == first
        place.put("table.csv", FILES["table.csv"].replace(b"1", b"9"))
        assert opened().stamp("table.csv") != first

    def test_a_stamp_is_a_list_in_json(self, source: Source) -> None:
        """As cache keys hold it."""
        stamp = source.stamp("table.csv")
        assert json.loads(json.dumps([stamp])) == [list(stamp)]

    # Bytes.

    @pytest.mark.parametrize("path", FILES)
    def test_a_file_has_its_bytes_in_every_way_of_reading(self, path: str, source: Source) -> None:
        """Whole, for pyarrow, mapped into memory, and by its address."""
        content = FILES[path]
        assert source.read(path) == content
        with source.arrow_file(path) as file:
            assert file.read() == content
        if content:
            assert source.mapped(path).to_pybytes() == content
        remember(source)
        assert read_address(source.address(path)) == content

    def test_a_file_that_is_absent_is_an_error_of_python(
        self, source: Source, pool: ThreadPoolExecutor
    ) -> None:
        """Never empty bytes, and no error of a library's."""
        (one,) = source.each(["images/absent.png"])
        reads: list[Callable[[], object]] = [
            partial(source.read, "absent"),
            partial(source.arrow_file, "absent"),
            partial(source.mapped, "absent"),
            partial(source.start, "absent", 8),
            lambda: list(source.pieces("absent", 0, 8, 4)),
            source.begin("absent", pool, lambda read: read()).result,
            one,
        ]
        for read in reads:
            with pytest.raises(FileNotFoundError):
                read()

    def test_reads_that_are_begun_together_give_each_file_its_own_bytes(
        self, source: Source, pool: ThreadPoolExecutor
    ) -> None:
        """And one that is absent fails alone."""
        paths = [*FILES, "absent"] * 10

        def found(read: Callable[[], bytes]) -> bytes | None:
            try:
                return read()
            except FileNotFoundError:
                return None

        expected = [FILES.get(path) for path in paths]
        begun = [source.begin(path, pool, found) for path in paths]
        assert [work.result() for work in begun] == expected
        assert [found(read) for read in source.each(paths)] == expected

    @pytest.mark.parametrize("size", [5, 1_000_000])
    def test_the_start_of_a_file_is_read_or_all_of_a_shorter_one(
        self, size: int, source: Source
    ) -> None:
        """Some stores send more than was asked for, but none of them less."""
        for path, content in FILES.items():
            start = source.start(path, size).to_pybytes()
            assert content.startswith(start)
            assert len(start) >= min(size, len(content))

    @pytest.mark.parametrize("start", [0, 3, 12])
    def test_pieces_make_up_the_rest_of_a_file(self, start: int, source: Source) -> None:
        """From wherever an earlier copy broke off."""
        content = FILES["images/two.png"]
        copy = bytearray(content[:start])
        for at, piece in source.pieces("images/two.png", start, len(content), 5):
            copy[at:] = piece
        assert bytes(copy) == content

    # Names and addresses.

    def test_the_address_of_a_file_leads_back_to_its_path(self, source: Source) -> None:
        """For one file and for a whole column."""
        paths = list(FILES)
        assert [source.path_of(source.address(path)) for path in paths] == paths
        assert source.path_of("elsewhere://nowhere/table.csv") is None
        column = source.addresses(pa.array([*paths, None], pa.string())).to_pylist()
        assert column == [*map(source.address, paths), None]

    # Threads and processes.

    def test_threads_that_ask_at_once_are_all_answered(self, source: Source) -> None:
        """Whichever of them opens the place."""
        together = Barrier(THREADS)

        def ask(_: int) -> tuple[bytes, list[str]]:
            together.wait()
            return source.read("images/two.png"), source.names("images")

        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(ask, range(THREADS)))
        names = ["deep", "one.png", "two.png"] if self.LISTS_FOLDERS else []
        assert answers == [(FILES["images/two.png"], names)] * THREADS

    def test_a_forked_process_opens_it_anew(self, source: Source) -> None:
        """And so does not wait for an answer that its parent got."""
        assert source.read("table.csv") == FILES["table.csv"]
        assert in_fork(lambda: source.read("images/two.png")) == FILES["images/two.png"]
        assert source.read("images/one.png") == FILES["images/one.png"]

    def test_a_pickle_holds_the_address_and_nothing_that_is_open_or_secret(
        self, source: Source, storage_options: dict[str, Any]
    ) -> None:
        """It is sent to every worker."""
        assert source.read("table.csv")  # so that something is open
        pickled = pickle.dumps(source)
        assert len(pickled) < 600
        for secret in filter(None, _strings(storage_options)):
            assert secret.encode() not in pickled
            assert secret not in repr(source)
        again = pickle.loads(pickled)
        assert (type(again), again.root) == (type(source), source.root)
        assert again.read("images/one.png") == FILES["images/one.png"]


def _strings(options: Any) -> Iterator[str]:
    """All texts in some options, of which any may be a secret."""
    if isinstance(options, dict):
        for value in options.values():
            yield from _strings(value)
    elif isinstance(options, str) and "://" not in options:
        yield options
