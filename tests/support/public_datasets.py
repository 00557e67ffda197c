"""Miniatures of public datasets: their files, and what comes out of them, by the names that the
guide's page has."""

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

SMALL = 2
"""Images of a folder."""


@dataclass(frozen=True)
class Miniature:
    """A layout. files: names of images and of what is next to them. texts: contents of files.

    classes: images by class, in the order of their numbers; with splits, by (class, split).
    known: a path as it is listed, and its class. target: what labels are. numbers: the smallest and
    the largest, where they are numbers.
    """

    files: tuple[str, ...] = ()
    texts: dict[str, str | bytes | Callable[[], bytes]] = field(default_factory=dict)
    classes: dict = field(default_factory=dict)
    known: tuple[str, str | None] = ("", None)
    target: str | None = "class"
    numbers: tuple = ()


def many(*folders, ending=".jpg", count=SMALL, start=0):
    """`count` images in each folder; every name is another one."""
    numbers = iter(range(start, start + 10**6))
    return tuple(f"{folder}/{next(numbers)}{ending}" for folder in folders for _ in range(count))


def each(names, count=SMALL):
    return dict.fromkeys(names, count)


def split(names, splits, count=SMALL):
    return {(name, part): count for name in names for part in splits}


def zipped(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"image of " + name.encode())
    return file.getvalue()


def tar(members):
    """members: name → contents."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def idx(array):
    """An array of uint8 as an idx file."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


def images(count, *shape):
    return np.arange(count * int(np.prod(shape)), dtype=np.uint8).reshape(count, *shape)


def mnist(compress=lambda data: data, ending=""):
    ten = np.arange(10, dtype=np.uint8)
    parts = {
        "train-images-idx3-ubyte": images(10, 28, 28),
        "train-labels-idx1-ubyte": ten,
        "t10k-images-idx3-ubyte": images(10, 28, 28)[::-1].copy(),
        "t10k-labels-idx1-ubyte": ten,
    }
    return {f"{name}{ending}": compress(idx(array)) for name, array in parts.items()}


def parquet(labels, names):
    """A Parquet file of images as Hugging Face writes it; needs pyarrow."""
    import pyarrow
    from pyarrow import parquet as files

    rows = [{"bytes": bytes([n]), "path": None} for n in range(len(labels))]
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    noted = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.table({"image": rows, "label": labels}).replace_schema_metadata(noted)
    file = io.BytesIO()
    files.write_table(table, file)
    return file.getvalue()


DIGITS = tuple(map(str, range(10)))
TEN = {(name, part): 1 for name in DIGITS for part in ("train", "test")}
ATTRIBUTES = tuple(f"Attribute_{n:02}" for n in range(40))
WNIDS = ("n01440764", "n02102040")


def celeba():
    lines = [
        f"{n:06}.jpg "
        + " ".join("1" if n in (1, at) and at in (2, 3) else "-1" for at in range(40))
        for n in (1, 2, 3)
    ]
    head = f"3\n{' '.join(ATTRIBUTES)}\n"
    return {
        "list_attr_celeba.txt": head + "".join(f"{line}\n" for line in lines),
        "list_eval_partition.txt": "000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n",
        "identity_CelebA.txt": "000001.jpg 2880\n000002.jpg 2937\n000003.jpg 2880\n",
    }


MINIATURES = {
    "Cats vs. Dogs (Microsoft)": Miniature(
        files=(*many("PetImages/Cat", "PetImages/Dog"), "PetImages/Dog/Thumbs.db",
               "readme[1].txt", "MSR-LA - 3467.docx"),
        classes=each(("Cat", "Dog")), known=("Cat/0.jpg", "Cat"),
    ),
    "Dogs vs. Cats (Kaggle)": Miniature(
        files=(*(f"dogs-vs-cats/train/{k}.{n}.jpg" for k in ("cat", "dog") for n in range(3)),
               *many("dogs-vs-cats/test1"), "dogs-vs-cats/sampleSubmission.csv"),
        classes=each(("cat", "dog"), 3), known=("cat.1.jpg", "cat"),
    ),
    "Oxford-IIIT Pet": Miniature(
        files=("images/Abyssinian_1.jpg", "images/Abyssinian_34.jpg", "images/Abyssinian_34.mat",
               "images/yorkshire_terrier_3.jpg", "images/yorkshire_terrier_9.jpg",
               "annotations/trimaps/Abyssinian_1.png", "annotations/xmls/Abyssinian_1.xml"),
        texts={"annotations/trainval.txt": "Abyssinian_1 1 1 1\nyorkshire_terrier_9 37 2 25\n",
               "annotations/test.txt": "Abyssinian_34 1 1 1\nyorkshire_terrier_3 37 2 25\n",
               "annotations/list.txt": "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\n"},
        classes=split(("Abyssinian", "yorkshire_terrier"), ("trainval", "test"), 1),
        known=("Abyssinian_34.jpg", "Abyssinian"),
    ),
    "TF Flowers": Miniature(
        files=(*many("flower_photos/daisy", "flower_photos/roses"), "flower_photos/LICENSE.txt"),
        classes=each(("daisy", "roses")), known=("roses/3.jpg", "roses"),
    ),
    "CUB-200-2011": Miniature(
        files=(*(f"CUB_200_2011/images/{p}" for p in (
            "001.Black_footed_Albatross/Black_1.jpg", "001.Black_footed_Albatross/Black_2.jpg",
            "002.Laysan_Albatross/Laysan_1.jpg", "002.Laysan_Albatross/Laysan_2.jpg")),
            "CUB_200_2011/README", "CUB_200_2011/parts/parts.txt"),
        texts={
            "CUB_200_2011/images.txt": "1 001.Black_footed_Albatross/Black_1.jpg\n"
            "2 001.Black_footed_Albatross/Black_2.jpg\n3 002.Laysan_Albatross/Laysan_1.jpg\n"
            "4 002.Laysan_Albatross/Laysan_2.jpg\n",
            "CUB_200_2011/train_test_split.txt": "1 0\n2 1\n3 1\n4 0\n",
            "CUB_200_2011/image_class_labels.txt": "1 1\n2 1\n3 2\n4 2\n",
            "CUB_200_2011/classes.txt": "1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n",
            "CUB_200_2011/bounding_boxes.txt": "1 60.0 27.0 325.0 304.0\n",
        },
        classes=split(("001.Black_footed_Albatross", "002.Laysan_Albatross"),
                      ("train", "test"), 1),
        known=("002.Laysan_Albatross/Laysan_1.jpg", "002.Laysan_Albatross"),
    ),
    "CUB-200 (2010)": Miniature(
        files=("images/001.Auk/a_1.jpg", "images/001.Auk/a_2.jpg", "images/002.Bee/b_1.jpg",
               "images/002.Bee/b_2.jpg", "annotations-mat/001.Auk/a_1.mat"),
        texts={"lists/train.txt": "001.Auk/a_1.jpg\n002.Bee/b_2.jpg\n",
               "lists/test.txt": "001.Auk/a_2.jpg\n002.Bee/b_1.jpg\n",
               "lists/files.txt": "001.Auk/a_1.jpg\n"},
        classes=split(("001.Auk", "002.Bee"), ("train", "test"), 1),
        known=("001.Auk/a_2.jpg", "001.Auk"),
    ),
    "Stanford Dogs": Miniature(
        files=(*many("Images/n02085620-Chihuahua", "Images/n02116738-African_hunting_dog"),
               "Annotation/n02085620-Chihuahua/n02085620_7", "file_list.mat"),
        classes=each(("n02085620-Chihuahua", "n02116738-African_hunting_dog")),
        known=("n02085620-Chihuahua/0.jpg", "n02085620-Chihuahua"),
    ),
    "iNaturalist 2021": Miniature(
        files=(*many("train_mini/00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_"
                     "Lumbricus_terrestris", "train_mini/00001_Animalia_Annelida_Polychaeta_"
                     "Sabellida_Sabellidae_Sabella_spallanzanii"), "train_mini.json"),
        classes=each(("00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_"
                      "terrestris", "00001_Animalia_Annelida_Polychaeta_Sabellida_Sabellidae_"
                      "Sabella_spallanzanii")),
        known=("00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris/"
               "1.jpg", "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_"
               "terrestris"),
    ),
    "iNaturalist 2018": Miniature(
        files=many("train_val2018/Amphibians/1", "train_val2018/Amphibians/0",
                   "train_val2018/Aves/2", "train_val2018/Plantae/3"),
        classes=each("0123"), known=("Aves/2/4.jpg", "2"),
    ),
    "Food-101": Miniature(
        files=(*(f"food-101/images/{k}/{n}.jpg" for k in ("apple_pie", "waffles") for n in
                 range(3)), "food-101/README.txt", "food-101/license_agreement.txt"),
        texts={"food-101/meta/train.txt": "apple_pie/0\napple_pie/1\nwaffles/0\nwaffles/2\n",
               "food-101/meta/test.txt": "apple_pie/2\nwaffles/1\n",
               "food-101/meta/classes.txt": "apple_pie\nwaffles\n",
               "food-101/meta/labels.txt": "Apple pie\nWaffles\n",
               "food-101/meta/train.json": '{"apple_pie": ["apple_pie/0"]}'},
        classes={("apple_pie", "train"): 2, ("waffles", "train"): 2, ("apple_pie", "test"): 1,
                 ("waffles", "test"): 1},
        known=("waffles/1.jpg", "waffles"),
    ),
    "Fruits-360": Miniature(
        files=(*(f"fruits-360/{s}/{k}/{n}_100.jpg" for s in ("Training", "Test")
                 for k in ("Apple Braeburn", "Apple Golden 1") for n in (3, 17)),
               *many("fruits-360/test-multiple_fruits"), "fruits-360/papers/a.pdf",
               "fruits-360/readme.md", "fruits-360/LICENSE"),
        classes=split(("Apple Braeburn", "Apple Golden 1"), ("train", "test")),
        known=("Test/Apple Golden 1/3_100.jpg", "Apple Golden 1"),
    ),
    "Beans": Miniature(
        texts={f"beans/{s}.zip": zipped(*(f"{s}/{k}/{s}.{n}.jpg" for k in ("bean_rust", "healthy")
                                          for n in range(2)), f"__MACOSX/{s}/._x.jpg")
               for s in ("train", "validation", "test")},
        classes=split(("bean_rust", "healthy"), ("train", "val", "test")),
        known=("train.zip/train/healthy/train.0.jpg", "healthy"),
    ),
    "PlantVillage": Miniature(
        files=many(*(f"Plant_leave_diseases_dataset_without_augmentation/{k}" for k in (
            "Apple___healthy", "Pepper,_bell___healthy", "Background_without_leaves")),
            ending=".JPG"),
        classes=each(("Apple___healthy", "Pepper,_bell___healthy")),
        known=("Pepper,_bell___healthy/2.JPG", "Pepper,_bell___healthy"),
    ),
    "iCassava 2019": Miniature(
        files=tuple(f"cassavaleafdata/{s}/{k}/{s}-{k}-{n}.jpg" for s in
                    ("train", "validation", "test") for k in ("cbb", "healthy") for n in (0, 1)),
        classes=split(("cbb", "healthy"), ("train", "val", "test")),
        known=("test/cbb/test-cbb-1.jpg", "cbb"),
    ),
    "Cassava 2020 (Kaggle)": Miniature(
        files=("train_images/1000015157.jpg", "train_images/1000201771.jpg",
               "test_images/2216849948.jpg", "train_tfrecords/ld_train00-1338.tfrec"),
        texts={"train.csv": "image_id,label\n1000015157.jpg,1\n1000201771.jpg,0\n",
               "label_num_to_disease_map.json": '{"0": "Cassava Bacterial Blight (CBB)", '
               '"1": "Cassava Brown Streak Disease (CBSD)"}'},
        classes=each(("Cassava Bacterial Blight (CBB)", "Cassava Brown Streak Disease (CBSD)"), 1),
        known=("1000201771.jpg", "Cassava Bacterial Blight (CBB)"),
    ),
    "Plant Pathology 2020": Miniature(
        files=("images/Train_0.jpg", "images/Train_1.jpg", "images/Test_0.jpg"),
        texts={"train.csv": "image_id,healthy,multiple_diseases,rust,scab\n"
               "Train_0,0,0,0,1\nTrain_1,1,0,0,0\n", "test.csv": "image_id\nTest_0\n"},
        classes={"healthy": 1, "scab": 1}, known=("Train_0.jpg", "scab"),
    ),
    "Plant leaves": Miniature(
        files=tuple(f"leaves/000{k}_000{n}.JPG" for k in (1, 2) for n in (1, 2)),
        classes=each(("0001", "0002")), known=("0002_0001.JPG", "0002"),
    ),
    "Citrus leaves": Miniature(
        files=(*many("Citrus/Leaves/Black spot", "Citrus/Leaves/healthy", ending=".png"),
               *many("Citrus/Fruits/canker")),
        classes=each(("Black spot", "healthy")), known=("Black spot/0.png", "Black spot"),
    ),
    "DeepWeeds": Miniature(
        files=("images/20160928-140314-0.jpg", "images/20160928-140337-0.jpg",
               "images/20160928-140731-0.jpg"),
        texts={"labels.csv": "Filename,Label,Species\n20160928-140314-0.jpg,1,Lantana\n"
               "20160928-140337-0.jpg,0,Chinee apple\n20160928-140731-0.jpg,0,Chinee apple\n"},
        classes={"Chinee apple": 2, "Lantana": 1}, known=("20160928-140314-0.jpg", "Lantana"),
    ),
    "Horses or Humans": Miniature(
        files=many(*(f"data/{s}/{k}" for s in ("horse-or-human", "validation-horse-or-human")
                     for k in ("horses", "humans")), ending=".png"),
        classes=split(("horses", "humans"), ("train", "val")),
        known=("horse-or-human/horses/1.png", "horses"),
    ),
    "Caltech-101": Miniature(
        files=(*many("101_ObjectCategories/accordion", "101_ObjectCategories/Faces_easy",
                     "101_ObjectCategories/BACKGROUND_Google"),
               "101_ObjectCategories/BACKGROUND_Google/tmp", "Annotations/Faces_3/a.mat",
               "__MACOSX/101_ObjectCategories/._accordion"),
        classes=each(("Faces_easy", "accordion")), known=("accordion/1.jpg", "accordion"),
    ),
    "Caltech-256": Miniature(
        files=tuple(f"256_ObjectCategories/{k}/{k[:3]}_000{n}.jpg" for k in
                    ("001.ak47", "257.clutter") for n in (1, 2)),
        classes=each(("001.ak47", "257.clutter")), known=("001.ak47/001_0001.jpg", "001.ak47"),
    ),
    "CIFAR-10 as folders (fast.ai)": Miniature(
        files=(*many(*(f"cifar10/{s}/{k}" for s in ("train", "test") for k in
                       ("airplane", "truck")), ending=".png"), "cifar10/labels.txt"),
        classes=split(("airplane", "truck"), ("train", "test")),
        known=("train/truck/2.png", "truck"),
    ),
    "Tiny ImageNet": Miniature(
        files=(*(f"tiny-imagenet-200/train/{k}/images/{k}_{n}.JPEG" for k in WNIDS
                 for n in (0, 1)),
               *(f"tiny-imagenet-200/{s}/images/{s}_{n}.JPEG" for s in ("val", "test")
                 for n in (0, 1))),
        texts={"tiny-imagenet-200/val/val_annotations.txt":
               "val_0.JPEG\tn02102040\t0\t32\t44\t62\nval_1.JPEG\tn01440764\t52\t55\t57\t59\n",
               "tiny-imagenet-200/wnids.txt": "n02102040\nn01440764\n",
               "tiny-imagenet-200/words.txt": "n01440764\ttench, Tinca tinca\n",
               "tiny-imagenet-200/train/n01440764/n01440764_boxes.txt":
               "n01440764_0.JPEG\t0\t10\t63\t58\n"},
        classes={(name, part): n for name in WNIDS for part, n in (("train", 2), ("val", 1))},
        known=("val/images/val_0.JPEG", "n02102040"),
    ),
    "ImageNet as tars": Miniature(
        texts={f"ILSVRC2012_img_train/{k}.tar": tar({f"{k}_{n}.JPEG": b"x" for n in (1, 2)})
               for k in WNIDS},
        classes=each(WNIDS), known=("n01440764.tar/n01440764_1.JPEG", "n01440764"),
    ),
    "ImageNet as folders": Miniature(
        files=(*many(*(f"imagenet/{s}/{k}" for s in ("train", "val") for k in WNIDS),
                     ending=".JPEG"), "imagenet/ILSVRC2012_devkit_t12.tar.gz", "imagenet/meta.bin",
               "imagenet/ILSVRC2012_img_train.tar", "imagenet/ILSVRC2012_img_val.tar"),
        classes=split(WNIDS, ("train", "val")), known=("val/n02102040/6.JPEG", "n02102040"),
    ),
    "Imagenette, Imagewoof": Miniature(
        files=many(*(f"imagenette2/{s}/{k}" for s in ("train", "val") for k in WNIDS),
                   ending=".JPEG"),
        texts={"imagenette2/noisy_imagenette.csv": "path,noisy_labels_0\na.JPEG,n01440764\n"},
        classes=split(WNIDS, ("train", "val")), known=("train/n01440764/0.JPEG", "n01440764"),
    ),
    "Imagewang": Miniature(
        files=(*many("imagewang/train/n01440764", "imagewang/train/n02102040",
                     "imagewang/val/n02102040", "imagewang/unsup", ending=".JPEG"),
               "imagewang/noisy_imagewang.csv"),
        classes={("n01440764", "train"): 2, ("n02102040", "train"): 2, ("n02102040", "val"): 2},
        known=("val/n02102040/4.JPEG", "n02102040"),
    ),
    "FGVC Aircraft": Miniature(
        files=(*(f"fgvc-aircraft-2013b/data/images/{n}.jpg" for n in
                 ("1025794", "1340192", "0056978", "0698580", "0450014", "1042824")),
               "fgvc-aircraft-2013b/README.html"),
        texts={
            "fgvc-aircraft-2013b/data/images_variant_train.txt":
            "1025794 707-320\n1340192 Falcon 900\n",
            "fgvc-aircraft-2013b/data/images_variant_val.txt":
            "0056978 707-320\n0698580 Falcon 900\n",
            "fgvc-aircraft-2013b/data/images_variant_test.txt":
            "0450014 707-320\n1042824 Falcon 900\n",
            "fgvc-aircraft-2013b/data/images_variant_trainval.txt": "1025794 707-320\n",
            "fgvc-aircraft-2013b/data/images_box.txt": "1025794 3 144 998 431\n",
            "fgvc-aircraft-2013b/data/variants.txt": "707-320\nFalcon 900\n",
        },
        classes=split(("707-320", "Falcon 900"), ("train", "val", "test"), 1),
        known=("1042824.jpg", "Falcon 900"),
    ),
    "Stanford Online Products": Miniature(
        files=tuple(f"Stanford_Online_Products/{k}_final/{n}_{i}.JPG" for k, n in
                    (("bicycle", 11), ("bicycle", 12), ("chair", 13), ("chair", 14))
                    for i in (0, 1)),
        texts={
            "Stanford_Online_Products/Ebay_train.txt": "image_id class_id super_class_id path\n"
            + "".join(f"{n} {c} {s} {k}_final/{i}_{j}.JPG\n" for n, (c, s, k, i, j) in enumerate(
                ((1, 1, "bicycle", 11, 0), (1, 1, "bicycle", 11, 1), (2, 2, "chair", 13, 0),
                 (2, 2, "chair", 13, 1)), 1)),
            "Stanford_Online_Products/Ebay_test.txt": "image_id class_id super_class_id path\n"
            + "".join(f"{n} {c} {s} {k}_final/{i}_{j}.JPG\n" for n, (c, s, k, i, j) in enumerate(
                ((3, 1, "bicycle", 12, 0), (3, 1, "bicycle", 12, 1), (4, 2, "chair", 14, 0),
                 (4, 2, "chair", 14, 1)), 5)),
        },
        classes=split("12", ("train", "test")), known=("chair_final/13_1.JPG", "2"),
    ),
    "Rock, Paper, Scissors": Miniature(
        files=many(*(f"data/{s}/{k}" for s in ("rps", "rps-test-set") for k in
                     ("paper", "rock", "scissors")), ending=".png"),
        classes=split(("paper", "rock", "scissors"), ("train", "test")),
        known=("rps/rock/2.png", "rock"),
    ),
    "Office-31": Miniature(
        files=(*many(*(f"office31/{d}/images/{k}" for d in ("amazon", "dslr", "webcam") for k in
                       ("bike", "mug"))), "office31/amazon/label.txt"),
        classes=each(("bike", "mug"), 6), known=("dslr/images/bike/4.jpg", "bike"),
    ),
    "Office-Home, PACS": Miniature(
        files=(*many(*(f"OfficeHome/{d}/{k}" for d in ("Art", "Clipart", "Product", "Real World")
                       for k in ("Bike", "Mug"))), "OfficeHome/imagelist.txt"),
        classes=each(("Bike", "Mug"), 8), known=("Clipart/Mug/6.jpg", "Mug"),
    ),
    "DomainNet": Miniature(
        files=(*(f"DomainNet/clipart/{k}/clipart_{c}_{n}.jpg" for c, k in
                 (("001", "aircraft_carrier"), ("002", "airplane")) for n in (1, 2)),
               *many("DomainNet/real/airplane")),
        texts={"DomainNet/clipart_train.txt": "clipart/aircraft_carrier/clipart_001_1.jpg 0\n"
               "clipart/airplane/clipart_002_2.jpg 1\n",
               "DomainNet/clipart_test.txt": "clipart/aircraft_carrier/clipart_001_2.jpg 0\n"
               "clipart/airplane/clipart_002_1.jpg 1\n"},
        classes=split("01", ("train", "test"), 1),
        known=("clipart/airplane/clipart_002_1.jpg", "1"),
    ),
    "Waterbirds": Miniature(
        files=(*(f"waterbirds_v1.0/{k}/{k}_{n}.jpg" for k in ("001.Albatross", "002.Wren")
                 for n in range(3)), "waterbirds_v1.0/RELEASE_v1.0.txt"),
        texts={"waterbirds_v1.0/metadata.csv":
               "img_id,img_filename,y,split,place,place_filename\n"
               + "".join(f"{at},{k}/{k}_{n}.jpg,{y},{n},0,/b/x/0.jpg\n" for at, (k, n, y) in
                         enumerate((k, n, y) for k, y in (("001.Albatross", 1), ("002.Wren", 0))
                                   for n in range(3)))},
        classes=split(("landbird", "waterbird"), ("train", "val", "test"), 1),
        known=("001.Albatross/001.Albatross_2.jpg", "waterbird"),
    ),
    "MVTec AD, one object": Miniature(
        files=(*(f"bottle/{s}/{k}/{n:03}.png" for s, k in (
            ("train", "good"), ("test", "good"), ("test", "broken_large"),
            ("test", "broken_small"), ("test", "contamination")) for n in range(2)),
            "bottle/ground_truth/broken_large/000_mask.png", "bottle/readme.txt"),
        classes={("defect", "test"): 6, ("good", "train"): 2, ("good", "test"): 2},
        known=("test/broken_large/000.png", "defect"),
    ),
    "EuroSAT": Miniature(
        files=tuple(f"2750/{k}/{k}_{n}.jpg" for k in ("AnnualCrop", "Forest") for n in (1, 2)),
        classes=each(("AnnualCrop", "Forest")), known=("Forest/Forest_1.jpg", "Forest"),
    ),
    "UC Merced": Miniature(
        files=(*(f"UCMerced_LandUse/Images/{k}/{k}0{n}.tif" for k in ("beach", "forest")
                 for n in (0, 1)), "UCMerced_LandUse/readme.txt"),
        classes=each(("beach", "forest")), known=("Images/beach/beach01.tif", "beach"),
    ),
    "NWPU-RESISC45": Miniature(
        files=tuple(f"NWPU-RESISC45/{k}/{k}_00{n}.jpg" for k in ("airplane", "sea_ice")
                    for n in (1, 2)),
        classes=each(("airplane", "sea_ice")), known=("sea_ice/sea_ice_001.jpg", "sea_ice"),
    ),
    "Describable Textures": Miniature(
        files=(*(f"dtd/images/{k}/{k}_000{n}.jpg" for k in ("banded", "zigzagged")
                 for n in range(3)), "dtd/imdb/imdb.mat"),
        texts={f"dtd/labels/{s}{p}.txt": f"banded/banded_000{n}.jpg\n"
               f"zigzagged/zigzagged_000{n}.jpg\n" for p in (1, 2)
               for n, s in enumerate(("train", "val", "test"))},
        classes=split(("banded", "zigzagged"), ("train", "val", "test"), 1),
        known=("banded/banded_0002.jpg", "banded"),
    ),
    "Places365": Miniature(
        files=(*(f"places365/data_256_standard/a/{k}/0000000{n}.jpg" for k in
                 ("airfield", "alley") for n in (1, 2)),
               *(f"places365/val_256/Places365_val_0000000{n}.jpg" for n in (1, 2))),
        texts={"places365/places365_train_standard.txt": "/a/airfield/00000001.jpg 0\n"
               "/a/airfield/00000002.jpg 0\n/a/alley/00000001.jpg 1\n/a/alley/00000002.jpg 1\n",
               "places365/places365_val.txt":
               "Places365_val_00000001.jpg 1\nPlaces365_val_00000002.jpg 0\n",
               "places365/categories_places365.txt": "/a/airfield 0\n/a/alley 1\n"},
        classes={(name, part): n for name in "01" for part, n in (("train", 2), ("val", 1))},
        known=("val_256/Places365_val_00000001.jpg", "1"),
    ),
    "SUN397": Miniature(
        files=("SUN397/a/abbey/sun_1.jpg", "SUN397/a/abbey/sun_2.jpg",
               "SUN397/b/badminton_court/indoor/sun_3.jpg", "SUN397/README.txt"),
        texts={"SUN397/ClassName.txt": "/a/abbey\n/b/badminton_court/indoor\n"},
        classes={"abbey": 2, "badminton_court/indoor": 1},
        known=("b/badminton_court/indoor/sun_3.jpg", "badminton_court/indoor"),
    ),
    "MIT Indoor 67": Miniature(
        files=tuple(f"indoorCVPR_09/Images/{k}/{k}_{n}.jpg" for k in ("airport_inside", "bar")
                    for n in range(3)),
        texts={"TrainImages.txt": "airport_inside/airport_inside_0.jpg\nbar/bar_0.jpg\n",
               "TestImages.txt": "airport_inside/airport_inside_1.jpg\nbar/bar_2.jpg\n"},
        classes=split(("airport_inside", "bar"), ("train", "test"), 1),
        known=("bar/bar_2.jpg", "bar"),
    ),
    "Intel scenes": Miniature(
        files=many(*(f"intel/seg_{s}/seg_{s}/{k}" for s in ("train", "test") for k in
                     ("forest", "sea")), "intel/seg_pred/seg_pred"),
        classes=split(("forest", "sea"), ("train", "test")),
        known=("seg_train/seg_train/sea/2.jpg", "sea"),
    ),
    "Country211": Miniature(
        files=many(*(f"country211/{s}/{k}" for s in ("train", "valid", "test") for k in
                     ("AD", "ZW"))),
        classes=split(("AD", "ZW"), ("train", "val", "test")),
        known=("train/ZW/2.jpg", "ZW"),
    ),
    "GTSRB, training images": Miniature(
        files=(*(f"GTSRB/Training/0000{k}/00000_0000{n}.ppm" for k in (0, 1) for n in (0, 1)),
               "GTSRB/Training/00000/GT-00000.csv", "GTSRB/Readme-Images.txt"),
        classes=each(("00000", "00001")), known=("00001/00000_00000.ppm", "00001"),
    ),
    "GTSRB (Kaggle)": Miniature(
        files=(*(f"gtsrb/Train/{k}/0000{k}_00000_0000{n}.png" for k in (0, 1) for n in (0, 1)),
               *(f"gtsrb/Test/0000{n}.png" for n in (0, 1)), "gtsrb/Test/GT-final_test.csv",
               "gtsrb/Meta/0.png", "gtsrb/Meta/1.png"),
        texts={
            "gtsrb/Train.csv": "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path\n"
            + "".join(f"27,26,5,5,22,20,{k},Train/{k}/0000{k}_00000_0000{n}.png\n"
                      for k in (0, 1) for n in (0, 1)),
            "gtsrb/Test.csv": "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path\n"
            "53,54,6,5,48,49,1,Test/00000.png\n42,45,5,5,36,40,0,Test/00001.png\n",
            "gtsrb/Meta.csv": "Path,ClassId,ShapeId,ColorId,SignId\nMeta/0.png,0,1,0,3.29\n",
        },
        classes={(name, part): n for name in "01" for part, n in (("train", 2), ("test", 1))},
        known=("Test/00000.png", "1"),
    ),
    "LFW": Miniature(
        files=("lfw_funneled/Aaron_Eckhart/Aaron_Eckhart_0001.jpg",
               "lfw_funneled/Abel_Pacheco/Abel_Pacheco_0001.jpg",
               "lfw_funneled/Abel_Pacheco/Abel_Pacheco_0002.jpg",
               "lfw_funneled/Zico/Zico_0001.jpg", "lfw_funneled/pairs_01.txt"),
        classes={"Aaron_Eckhart": 1, "Abel_Pacheco": 2, "Zico": 1},
        known=("Zico/Zico_0001.jpg", "Zico"),
    ),
    "CelebA, attributes": Miniature(
        files=tuple(f"img_align_celeba/00000{n}.jpg" for n in (1, 2, 3)),
        texts=celeba(),
        classes={("Attribute_02", "train"): 1, ("Attribute_02", "val"): 1,
                 ("Attribute_03", "train"): 1, ("Attribute_03", "test"): 1},
        known=("000002.jpg", "Attribute_02"), target="multilabel",
    ),
    "UTKFace, ages": Miniature(
        files=("UTKFace/26_0_1_20170116174525125.jpg.chip.jpg",
               "UTKFace/100_1_0_20170112213500903.jpg.chip.jpg"),
        target="number", numbers=(26.0, 100.0),
    ),
    "FER-2013 as folders": Miniature(
        files=many(*(f"fer2013/{s}/{k}" for s in ("train", "test") for k in ("angry", "happy"))),
        classes=split(("angry", "happy"), ("train", "test")),
        known=("train/angry/0.jpg", "angry"),
    ),
    "HAM10000": Miniature(
        files=("skin-cancer-mnist/HAM10000_images_part_1/ISIC_0027419.jpg",
               "skin-cancer-mnist/HAM10000_images_part_2/ISIC_0031633.jpg",
               "skin-cancer-mnist/hmnist_28_28_RGB.csv"),
        texts={"skin-cancer-mnist/HAM10000_metadata.csv":
               "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
               "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp\n"
               "HAM_0002730,ISIC_0031633,nv,histo,75.0,male,ear\n"},
        classes={"bkl": 1, "nv": 1}, known=("HAM10000_images_part_1/ISIC_0027419.jpg", "bkl"),
    ),
    "ISIC 2019": Miniature(
        files=("ISIC_2019_Training_Input/ISIC_0000000.jpg",
               "ISIC_2019_Training_Input/ISIC_0000002.jpg",
               "ISIC_2019_Training_Input/ATTRIBUTION.txt", "ISIC_2019_Training_Metadata.csv"),
        texts={"ISIC_2019_Training_GroundTruth.csv":
               "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
               "ISIC_0000000,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
               "ISIC_0000002,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"},
        classes={"MEL": 1, "NV": 1}, known=("ISIC_0000000.jpg", "NV"),
    ),
    "APTOS 2019": Miniature(
        files=("train_images/000c1434d8d7.png", "train_images/001639a390f0.png",
               "test_images/0005cfc8afb6.png"),
        texts={"train.csv": "id_code,diagnosis\n000c1434d8d7,1\n001639a390f0,0\n",
               "test.csv": "id_code\n0005cfc8afb6\n"},
        classes=each("01", 1), known=("001639a390f0.png", "0"),
    ),
    "Diabetic Retinopathy 2015": Miniature(
        files=("train/10_left.jpeg", "train/10_right.jpeg", "train/13_left.jpeg",
               "test/1_left.jpeg", "sample/10_left.jpeg"),
        texts={"trainLabels.csv": "image,level\n10_left,0\n10_right,1\n13_left,0\n"},
        classes={"0": 2, "1": 1}, known=("10_right.jpeg", "1"),
    ),
    "NIH ChestX-ray14": Miniature(
        files=("nih/images_001/images/00000001_000.png", "nih/images_001/images/00000001_001.png",
               "nih/images_002/images/00000002_000.png", "nih/README_CHESTXRAY.pdf",
               "nih/BBox_List_2017.csv", "nih/test_list.txt"),
        texts={"nih/Data_Entry_2017.csv":
               "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
               "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
               "00000001_000.png,Cardiomegaly,0,1,58,M,PA,2682,2749,0.143,0.143,\n"
               "00000001_001.png,Cardiomegaly|Emphysema,1,1,58,M,PA,2894,2729,0.143,0.143,\n"
               "00000002_000.png,No Finding,0,2,81,M,PA,2500,2048,0.171,0.171,\n"},
        classes={"Cardiomegaly": 2, "Emphysema": 1},
        known=("images_001/images/00000001_001.png", "Emphysema"), target="multilabel",
    ),
    "Chest X-ray, pneumonia": Miniature(
        files=(*many(*(f"chest_xray/{s}/{k}" for s in ("train", "val", "test") for k in
                       ("NORMAL", "PNEUMONIA")), ending=".jpeg"),
               "chest_xray/.DS_Store", "chest_xray/__MACOSX/train/._x.jpeg"),
        classes=split(("NORMAL", "PNEUMONIA"), ("train", "val", "test")),
        known=("train/NORMAL/0.jpeg", "NORMAL"),
    ),
    "Malaria cells": Miniature(
        files=(*many("cell_images/Parasitized", "cell_images/Uninfected", ending=".png"),
               "cell_images/Parasitized/Thumbs.db"),
        classes=each(("Parasitized", "Uninfected")), known=("Uninfected/2.png", "Uninfected"),
    ),
    "BreakHis": Miniature(
        files=(*(f"BreaKHis_v1/histology_slides/breast/{a}/SOB/{b}/{s}/{m}/{s}-{m}-00{n}.png"
                 for a, b, s in (("benign", "adenosis", "SOB_B_A_14-22549AB"),
                                 ("malignant", "ductal_carcinoma", "SOB_M_DC_14-2523"))
                 for m in ("40X", "100X") for n in (1, 2)), "BreaKHis_v1/README.txt"),
        classes=each(("benign", "malignant"), 4),
        known=("histology_slides/breast/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/"
               "SOB_B_A_14-22549AB-40X-001.png", "benign"),
    ),
    "Colorectal histology": Miniature(
        files=many("Kather_texture_2016_image_tiles_5000/01_TUMOR",
                   "Kather_texture_2016_image_tiles_5000/08_EMPTY", ending=".tif"),
        classes=each(("01_TUMOR", "08_EMPTY")), known=("01_TUMOR/1.tif", "01_TUMOR"),
    ),
    "MedMNIST": Miniature(
        texts={"pathmnist.npz": npz(**{
            f"{s}_{k}": a for s in ("train", "val", "test") for k, a in (
                ("images", images(9, 28, 28, 3)),
                ("labels", np.arange(9, dtype=np.uint8).reshape(9, 1)))})},
        classes={(str(n), part): 1 for n in range(9) for part in ("train", "val", "test")},
    ),
    "MNIST, KMNIST": Miniature(
        texts={f"MNIST/raw/{name}": data for name, data in
               (mnist() | mnist(gzip.compress, ".gz")).items()}, classes=TEN,
    ),
    "Fashion-MNIST": Miniature(
        texts={f"FashionMNIST/raw/{name}": data for name, data in
               mnist(gzip.compress, ".gz").items()}, classes=TEN,
    ),
    "MNIST (Keras)": Miniature(
        texts={"mnist.npz": npz(
            x_train=images(10, 28, 28), y_train=np.arange(10, dtype=np.uint8),
            x_test=images(10, 28, 28), y_test=np.arange(10, dtype=np.uint8))},
        classes=TEN,
    ),
    "Quick, Draw!": Miniature(
        texts={f"numpy_bitmap/{name}.npy": npy(images(2, 784)) for name in (
            "ant", "The Eiffel Tower", *(f"drawing {n:03}" for n in range(98)))},
        classes=each(("The Eiffel Tower", "ant", *(f"drawing {n:03}" for n in range(98)))),
        known=("ant/0", "ant"),
    ),
    "Omniglot": Miniature(
        files=(*(f"images_background/{a}/character0{c}/039{c}_0{n}.png" for a in ("Greek", "Latin")
                 for c in (1, 2) for n in (1, 2)), "images_background.zip"),
        classes=each(tuple(f"{a}/character0{c}" for a in ("Greek", "Latin") for c in (1, 2))),
        known=("Latin/character02/0392_01.png", "Latin/character02"),
    ),
    "WebDataset shards": Miniature(
        texts={f"shards/shard-00000{s}.tar": tar(
            {f"{s}{n}.{e}": b"1" if n and e == "cls" else b"0" if e == "cls" else b"x"
             for n in (0, 1) for e in ("jpg", "cls")}) for s in (0, 1)},
        classes=each("01"), known=("shard-000001.tar/11.jpg", "1"),
    ),
    "Hugging Face ImageFolder": Miniature(
        files=tuple(f"photos/{s}/{n}.jpg" for s in ("train", "test") for n in (0, 1)),
        texts={f"photos/{s}/metadata.jsonl": "".join(
            f'{{"file_name": "{n}.jpg", "label": "{k}"}}\n' for n, k in enumerate(names))
            for s, names in (("train", ("cat", "dog")), ("test", ("dog", "cat")))},
        classes=split(("cat", "dog"), ("train", "test"), 1),
        known=("test/0.jpg", "dog"),
    ),
    "Hugging Face, Parquet": Miniature(
        files=("beans/README.md",),
        texts={f"beans/data/{s}-00000-of-00001.parquet": (
            lambda: parquet([0, 1, 1], ["bean_rust", "healthy"]))
            for s in ("train", "validation", "test")},
        classes={(name, part): n for name, n in (("bean_rust", 1), ("healthy", 2))
                 for part in ("train", "val", "test")},
    ),
    "Roboflow or YOLO export": Miniature(
        files=(*many("export/train/images", "export/valid/images", "export/test/images"),
               *many("export/train/labels", "export/valid/labels", ending=".txt"),
               "export/data.yaml", "export/README.roboflow.txt"),
        classes={(None, "train"): 2, (None, "val"): 2, (None, "test"): 2},
        known=("train/images/0.jpg", None), target=None,
    ),
}  # fmt: skip
