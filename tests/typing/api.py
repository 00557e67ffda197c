"""What a user's type checker sees: the types expected of `reveal_type`, the errors of lines."""

import imgmem

result = imgmem.build("in", "out", size=224, split={"train": 0.8, "val": 0.2}, max_rejects="1%")
reveal_type(result)  # BuildResult
reveal_type(result.shape)  # tuple[int, ...]
reveal_type(imgmem.estimate("in", limit="8GiB", size="native"))  # Estimate
reveal_type(imgmem.normalize("out", mean=[0.5], std=0.25))  # NormalizeResult
reveal_type(imgmem.undo_normalize("out", to="original"))  # NormalizeResult
reveal_type(imgmem.stats("out", fail_on={"blank": 5}))  # DatasetStats
reveal_type(imgmem.compare("out", "other"))  # Comparison
reveal_type(imgmem.sample("out", rows=[1, 2]))  # Sample
reveal_type(imgmem.verify("out", workers=2))  # list[imgmem.core.storage.verify.DamagedRows]
reveal_type(imgmem.open("out"))  # Dataset
reveal_type(imgmem.open("out").batches(64))  # Batches

imgmem.build("in", "out", sise=224)  # error: call-arg
imgmem.build("in", "out", fit="squeeze")  # error: typeddict-item arg-type
imgmem.normalize("out", dtype="float64")  # error: typeddict-item arg-type
imgmem.sample("out", count="many")  # error: typeddict-item arg-type
imgmem.built("in", "out")  # error: attr-defined
