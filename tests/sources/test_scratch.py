"""Scratch space that runs out is an error of the machine, wherever it is found."""

import resource

import pytest
from support.program import python

SCRIPT = """
import resource, signal
from imgmem.core.errors import ResourceError
from imgmem.core.sources.scratch import scratch_database

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = scratch_database("CREATE TABLE t (a BLOB)", cache_kib=64)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
rows = ((bytes(1000),) for _ in range(1000))
try:
    {statement}
except ResourceError as error:
    print(error.exit_code, "scratch data" in error.message)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs limits on file sizes")
@pytest.mark.parametrize(
    "statement",
    [
        'database.executemany("INSERT INTO t VALUES (?)", rows)',
        '[database.execute("INSERT INTO t VALUES (?)", row) for row in rows]',
        'list(database.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n'
        ' LIMIT 99999) SELECT randomblob(500) AS b FROM n ORDER BY b"))',
    ],
)
def test_a_full_scratch_disk_is_a_resource_error(statement):
    assert python(SCRIPT.format(statement=statement)).stdout.strip() == "5 True"
