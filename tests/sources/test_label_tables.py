"""Label tables as competitions and papers publish them, and the labels that come out."""

import pytest
from support.sources import doubted, exhausted, placed
from support.trees import plant

from imgmem.core.errors import InputError
from imgmem.core.sources.labeling import require_certain

TABLES = {
    "dog breeds (Kaggle)": (
        "labels.csv",
        "id,breed\n000bec180eb1,boston_bull\n001513dfcb2f,dingo\n0021f9ceb323,boston_bull\n",
        {
            "train/000bec180eb1.jpg": "boston_bull",
            "train/001513dfcb2f.jpg": "dingo",
            "train/0021f9ceb323.jpg": "boston_bull",
        },
    ),
    "APTOS 2019": (
        "train.csv",
        "id_code,diagnosis\n000c1434d8d7,2\n001639a390f0,4\n",
        {"train_images/000c1434d8d7.png": "2", "train_images/001639a390f0.png": "4"},
    ),
    "HAM10000": (
        "HAM10000_metadata.csv",
        "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
        "HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp\n"
        "HAM_0000118,ISIC_0025030,nv,histo,80.0,male,scalp\n",
        {
            "HAM10000_images_part_1/ISIC_0027419.jpg": "bkl",
            "HAM10000_images_part_2/ISIC_0025030.jpg": "nv",
        },
    ),
    "cassava": (
        "train.csv",
        "image_id,label\n1000015157.jpg,0\n1000201771.jpg,3\n",
        {"train_images/1000015157.jpg": "0", "train_images/1000201771.jpg": "3"},
    ),
    "ISIC 2019": (
        "ISIC_2019_Training_GroundTruth.csv",
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
        "ISIC_0000000,0.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n"
        "ISIC_0000002,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\n",
        {"Input/ISIC_0000000.jpg": "NV", "Input/ISIC_0000002.jpg": "MEL"},
    ),
    "NIH ChestX-ray, images of one finding": (
        "Data_Entry_2017.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
        "00000001_000.png,Cardiomegaly,0,1,58,M,PA,2682,2749,0.143,0.143,\n"
        "00000002_000.png,No Finding,0,2,81,M,PA,2500,2048,0.171,0.171,\n",
        {
            "images_001/images/00000001_000.png": "Cardiomegaly",
            "images_002/images/00000002_000.png": "No Finding",
        },
    ),
    "CelebA identities": (
        "identity_CelebA.txt",
        "000001.jpg 2880\n000002.jpg 2937\n000003.jpg 2880\n",
        {
            "img_align_celeba/000001.jpg": "2880",
            "img_align_celeba/000002.jpg": "2937",
            "img_align_celeba/000003.jpg": "2880",
        },
    ),
    "ISIC 2018, a column per class next to whom it is of": (
        "truth.csv",
        "image,MEL,NV,BCC,sex,age_approx,lesion_id\n"
        "I_1,1,0,0,male,45.0,IL_1\nI_2,0,1,0,female,30.0,IL_2\n"
        "I_3,0,0,1,male,45.0,IL_1\nI_4,0,1,0,female,30.0,IL_2\n",
        {"I_1.jpg": "MEL", "I_2.jpg": "NV", "I_3.jpg": "BCC", "I_4.jpg": "NV"},
    ),
    "fashion products, used for something": (
        "styles.csv",
        "id,label,season,usage\n15970,Shirts,Fall,Casual\n39386,Jeans,Summer,Sports\n",
        {"images/15970.jpg": "Shirts", "images/39386.jpg": "Jeans"},
    ),
    "a competition's leaderboards": (
        "solution.csv",
        "id_code,label,Usage\na1,cat,Public\na2,dog,Private\n",
        {"test/a1.png": ("cat", "Public"), "test/a2.png": ("dog", "Private")},
    ),
    "a column of splits under a name of its own": (
        "t.csv",
        "img,label,train_test\n1.jpg,a,train\n2.jpg,b,test\n3.jpg,b,train\n",
        {"1.jpg": ("a", "train"), "2.jpg": ("b", "test"), "3.jpg": ("b", "train")},
    ),
    "trains among vehicles": (
        "t.csv",
        "img,vehicle\n1.jpg,train\n2.jpg,car\n3.jpg,train\n",
        {"1.jpg": "train", "2.jpg": "car", "3.jpg": "train"},
    ),
    "an id by another name": (
        "t.csv",
        "shape,GalaxyID\nround,100008\nround,100023\nflat,100053\n",
        {"x/100008.jpg": "round", "x/100023.jpg": "round", "x/100053.jpg": "flat"},
    ),
    "radiographs, several of a patient": (
        "train.csv",
        "StudyInstanceUID,PatientID,label\n1.2.826.0.1,ec89415d1,a\n1.2.826.0.2,ec89415d1,b\n",
        {"train/1.2.826.0.1.jpg": "a", "train/1.2.826.0.2.jpg": "b"},
    ),
    "one radiograph of each patient, called like the study": (
        "train.csv",
        "PatientID,StudyInstanceUID,label\np1,1.2.826.0.1,a\np2,1.2.826.0.2,b\n",
        {"train/1.2.826.0.1.jpg": "a", "train/1.2.826.0.2.jpg": "b"},
    ),
    "GTSRB": (
        "GT-final_test.csv",
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
        "00000.ppm;53;54;6;5;48;49;16\n00001.ppm;42;45;5;5;36;40;1\n",
        {"00000.ppm": "16", "00001.ppm": "1"},
    ),
    "GTSRB (Kaggle)": (
        "Train.csv",
        "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path\n"
        "27,26,5,5,22,20,20,Train/20/00020_00000_00000.png\n"
        "28,27,5,6,23,22,0,Train/0/00000_00000_00000.png\n",
        {"Train/20/00020_00000_00000.png": "20", "Train/0/00000_00000_00000.png": "0"},
    ),
    "ImageNet, list of validation images": (
        "val.txt",
        "ILSVRC2012_val_00000001.JPEG 65\nILSVRC2012_val_00000002.JPEG 970\n",
        {"ILSVRC2012_val_00000001.JPEG": "65", "val/ILSVRC2012_val_00000002.JPEG": "970"},
    ),
    "Plant Pathology 2020": (
        "train.csv",
        "image_id,healthy,multiple_diseases,rust,scab\nTrain_0,0,0,0,1\nTrain_1,0,1,0,0\n",
        {"images/Train_0.jpg": "scab", "images/Train_1.jpg": "multiple_diseases"},
    ),
    "Places365, validation": (
        "places365_val.txt",
        "Places365_val_00000001.jpg 165\nPlaces365_val_00000002.jpg 358\n",
        {
            "val_256/Places365_val_00000001.jpg": "165",
            "val_256/Places365_val_00000002.jpg": "358",
        },
    ),
    "Places365, training": (
        "places365_train_standard.txt",
        "/a/airfield/00000001.jpg 0\n/a/alley/00000001.jpg 4\n",
        {
            "data_256/a/airfield/00000001.jpg": "0",
            "data_256/a/alley/00000001.jpg": "4",
        },
    ),
    "Roboflow": (
        "_classes.csv",
        "filename, cat, dog\na_jpg.rf.1f.jpg, 1, 0\nb_jpg.rf.2e.jpg, 0, 1\n",
        {"a_jpg.rf.1f.jpg": "cat", "b_jpg.rf.2e.jpg": "dog"},
    ),
    "Diabetic Retinopathy 2015": (
        "trainLabels.csv",
        "image,level\n10_left,0\n10_right,2\n13_left,0\n",
        {"train/10_left.jpeg": "0", "train/10_right.jpeg": "2", "train/13_left.jpeg": "0"},
    ),
    "Humpback whales": (
        "train.csv",
        "Image,Id\n0000e88ab.jpg,w_f48451c\n0001f9222.jpg,w_c3d896a\n",
        {"train/0000e88ab.jpg": "w_f48451c", "train/0001f9222.jpg": "w_c3d896a"},
    ),
    "landmarks (Google)": (
        "train.csv",
        "id,url,landmark_id\n6e158a47eb2ca3f6,https://upload.wikimedia.org/a.jpg,142820\n"
        "202cd79556f30760,http://upload.wikimedia.org/b.jpg,104169\n",
        {
            "train/6/e/1/6e158a47eb2ca3f6.jpg": "142820",
            "train/2/0/2/202cd79556f30760.jpg": "104169",
        },
    ),
    "paddy diseases": (
        "train.csv",
        "image_id,label,variety,age\n100330.jpg,bacterial_leaf_blight,ADT45,45\n"
        "100365.jpg,normal,ADT45,45\n",
        {
            "train_images/bacterial_leaf_blight/100330.jpg": "bacterial_leaf_blight",
            "train_images/normal/100365.jpg": "normal",
        },
    ),
    "CoronaHack": (
        "Chest_xray_Corona_Metadata.csv",
        ",X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category\n"
        "0,IM-0128-0001.jpeg,Normal,TRAIN,,\n"
        "1,person1_virus_6.jpeg,Pnemonia,TEST,,Virus\n",
        {
            "train/IM-0128-0001.jpeg": ("Normal", "train"),
            "test/person1_virus_6.jpeg": ("Pnemonia", "test"),
        },
    ),
    "FGVC Aircraft, manufacturers": (
        "images_manufacturer_train.txt",
        "1025794 Boeing\n1340192 British Aerospace\n0056978 Boeing\n0698580 British Aerospace\n",
        {
            "images/1025794.jpg": "Boeing",
            "images/1340192.jpg": "British Aerospace",
            "images/0056978.jpg": "Boeing",
            "images/0698580.jpg": "British Aerospace",
        },
    ),
    "Tiny ImageNet, validation": (
        "val_annotations.txt",
        "val_0.JPEG\tn03444034\t0\t32\t44\t62\nval_1.JPEG\tn04067472\t52\t55\t57\t59\n",
        {"images/val_0.JPEG": "n03444034", "images/val_1.JPEG": "n04067472"},
    ),
    "Waterbirds": (
        "metadata.csv",
        "img_id,img_filename,y,split,place,place_filename\n"
        "1,001.Black_footed_Albatross/0046_18.jpg,1,0,0,/b/bamboo_forest/00000131.jpg\n"
        "2,002.Laysan_Albatross/0002_1027.jpg,0,2,1,/o/ocean/00001623.jpg\n",
        {
            "001.Black_footed_Albatross/0046_18.jpg": ("1", "0"),
            "002.Laysan_Albatross/0002_1027.jpg": ("0", "2"),
        },
    ),
    "525 birds": (
        "birds.csv",
        "class id,filepaths,labels,data set,scientific name\n"
        "0,train/ABBOTTS BABBLER/001.jpg,ABBOTTS BABBLER,train,MALACOCINCLA ABBOTTI\n"
        "1,valid/ABBOTTS BOOBY/1.jpg,ABBOTTS BOOBY,valid,PAPASULA ABBOTTI\n",
        {
            "train/ABBOTTS BABBLER/001.jpg": ("ABBOTTS BABBLER", "train"),
            "valid/ABBOTTS BOOBY/1.jpg": ("ABBOTTS BOOBY", "val"),
        },
    ),
    "leaves": (
        "train.csv",
        "id,species,margin1,margin2\n1,Acer_Opalus,0.007812,0.023438\n"
        "2,Tilia_Tomentosa,0.005859,0.000000\n",
        {"images/1.jpg": "Acer_Opalus", "images/2.jpg": "Tilia_Tomentosa"},
    ),
    "invasive species": (
        "train_labels.csv",
        "name,invasive\n1,0\n2,1\n",
        {"train/1.jpg": "0", "train/2.jpg": "1"},
    ),
    "cactuses": (
        "train.csv",
        "id,has_cactus\n0004be2cfeab.jpg,1\n000c8a36845c.jpg,0\n",
        {"train/0004be2cfeab.jpg": "1", "train/000c8a36845c.jpg": "0"},
    ),
    "RAF-DB": (
        "list_patition_label.txt",
        "train_00001.jpg 5\ntest_0001.jpg 7\n",
        {"aligned/train_00001.jpg": "5", "aligned/test_0001.jpg": "7"},
    ),
    "DeepFashion": (
        "list_category_img.txt",
        "2\nimage_name  category_label\n"
        "img/Sheer_Pleated-Front_Blouse/img_00000001.jpg                        3\n"
        "img/Cami_Dress/img_00000001.jpg                                        41\n",
        {
            "img/Sheer_Pleated-Front_Blouse/img_00000001.jpg": "3",
            "img/Cami_Dress/img_00000001.jpg": "41",
        },
    ),
    "ImageFolder metadata (Hugging Face)": (
        "metadata.jsonl",
        '{"file_name": "0001.png", "label": "cat"}\n{"file_name": "0002.png", "label": "dog"}\n',
        {"0001.png": "cat", "0002.png": "dog"},
    ),
}


def planted(root, files):
    return plant(root, *files)


@pytest.mark.parametrize("name", TABLES)
def test_a_published_table_gives_its_labels(name, tmp_path):
    file, text, expected = TABLES[name]
    images = planted(tmp_path / "images", expected)
    (tmp_path / file).write_text(text)
    auto_split = any(isinstance(value, tuple) for value in expected.values())
    found = placed(images, labels=str(tmp_path / file), auto_split=auto_split)
    assert found == {
        path: value if isinstance(value, tuple) else (value, None)
        for path, value in expected.items()
    }
    assert exhausted(images, labels=str(tmp_path / file)).doubts == ()


@pytest.mark.parametrize("name", TABLES)
def test_a_published_table_is_a_source_next_to_its_images(name, tmp_path):
    file, text, expected = TABLES[name]
    planted(tmp_path, expected)
    (tmp_path / file).write_text(text)
    assert list(placed(tmp_path / file)) == list(expected)


DOUBTS = {
    "NIH ChestX-ray": (
        "Image Index,Finding Labels\na.png,Cardiomegaly\nb.png,Cardiomegaly|Emphysema\n",
        ["a.png", "b.png"],
        "several-labels",
    ),
    "CelebA attributes": (
        "2\n5_o_Clock_Shadow Arched_Eyebrows Attractive\n1.jpg -1  1  1\n2.jpg -1 -1 -1\n",
        ["1.jpg", "2.jpg"],
        "several-labels",
    ),
    "Plant Pathology 2021": (
        "image,labels\n1.jpg,healthy\n2.jpg,scab frog_eye_leaf_spot\n3.jpg,scab\n"
        "4.jpg,frog_eye_leaf_spot\n5.jpg,scab complex\n6.jpg,complex\n",
        [f"{n}.jpg" for n in range(1, 7)],
        "several-labels",
    ),
    "proteins": (
        "Id,Target\na,16 0\nb,7\nc,0\nd,16\n",
        ["a.png", "b.png", "c.png", "d.png"],
        "several-labels",
    ),
    "a column per class, next to a column of words": (
        "file,night,rain,snow,scene\n1.jpg,1,0,0,city\n2.jpg,0,1,0,city\n"
        "3.jpg,0,0,1,road\n4.jpg,1,0,0,road\n",
        [f"{n}.jpg" for n in range(1, 5)],
        "which-label",
    ),
    "a column per trait, next to a quantity": (
        "Id,Eyes,Face,Near,Pawpularity\na,1,0,0,63\nb,0,1,0,42\n",
        ["a.jpg", "b.jpg"],
        "which-label",
    ),
    "ODIR": (
        "ID,Left-Fundus,Right-Fundus,N,D,labels,target,filename\n"
        "0,0_left.jpg,0_right.jpg,1,0,['N'],\"[1, 0]\",0_right.jpg\n"
        "1,1_left.jpg,1_right.jpg,0,1,['D'],\"[0, 1]\",1_right.jpg\n",
        ["0_right.jpg", "1_right.jpg"],
        "which-label",
    ),
    "FairFace": (
        "file,age,gender,race,service_test\n1.jpg,50-59,Male,East Asian,True\n"
        "2.jpg,30-39,Female,Indian,False\n",
        ["1.jpg", "2.jpg"],
        "which-label",
    ),
    "bone ages": ("id,boneage,male\n1377,180,False\n1378,12,True\n", ["1377.png"], "which-label"),
    "ages": ("file,age\n1.jpg,31\n2.jpg,40\n", ["1.jpg", "2.jpg"], "number-labels"),
    "decimal commas": (
        "file;age\n1.jpg;20,5\n2.jpg;31\n",
        ["1.jpg", "2.jpg"],
        "number-labels",
    ),
    "scores": ("file,label\n1.jpg,3.25\n2.jpg,4.5\n", ["1.jpg", "2.jpg"], "number-labels"),
    "boxes for labels": (
        "ImageId,PredictionString\n" + "".join(f"v{n},n039 {n} 1 499\n" for n in range(30)),
        [f"v{n}.JPEG" for n in range(30)],
        "unique-labels",
    ),
    "whole numbers that nearly all differ": (
        "file,label\n" + "".join(f"{n}.jpg,{n * 7}\n" for n in range(30)),
        [f"{n}.jpg" for n in range(30)],
        "unique-labels",
    ),
    "another folder's keys": (
        "id,label\n1,cat\n2,dog\n3,dog\n",
        ["1.jpg", *(f"x{n}.jpg" for n in range(5))],
        "keys-do-not-fit",
    ),
}


def doubts_of(images, file, **options):
    """The doubts of a table as facts, whether they end the listing or are in it."""
    try:
        require_certain(exhausted(images, labels=file, **options).doubts)
    except InputError as error:
        return error.facts["doubts"]
    return []


@pytest.mark.parametrize("name", DOUBTS)
def test_a_table_that_can_mean_two_things_is_a_doubt(name, tmp_path):
    text, files, expected = DOUBTS[name]
    images = planted(tmp_path / "images", files)
    (tmp_path / "labels.csv").write_text(text)
    assert [doubt["name"] for doubt in doubts_of(images, str(tmp_path / "labels.csv"))] == [
        expected
    ]


@pytest.mark.parametrize("name", [name for name in DOUBTS if DOUBTS[name][2] == "which-label"])
def test_each_remedy_settles_which_column_is_meant(name, tmp_path):
    text, files, _ = DOUBTS[name]
    images = planted(tmp_path / "images", files)
    file = tmp_path / "labels.csv"
    file.write_text(text)
    (doubt,) = doubts_of(images, str(file))
    for remedy in doubt["remedies"]:
        pairs = [part.split("=") for part in remedy["options"]["columns"].split(",")]
        spec = tuple((role, column) for role, column in pairs)
        assert "which-label" not in {d["name"] for d in doubts_of(images, str(file), columns=spec)}


def test_one_image_per_class_is_not_a_doubt_where_the_column_is_called_a_label(tmp_path):
    images = planted(tmp_path / "images", [f"{n}.jpg" for n in range(30)])
    file = tmp_path / "l.csv"
    file.write_text("file,person,label\n" + "".join(f"{n}.jpg,x,p{n}\n" for n in range(30)))
    assert doubts_of(images, str(file)) == []


def test_target_class_makes_every_value_a_class(tmp_path):
    images = planted(tmp_path / "images", ["1.jpg", "2.jpg"])
    (tmp_path / "l.csv").write_text("file,label\n1.jpg,a|b\n2.jpg,3.25\n")
    found = placed(images, labels=str(tmp_path / "l.csv"), target="class")
    assert found == {"1.jpg": ("a|b", None), "2.jpg": ("3.25", None)}


@pytest.mark.parametrize(
    "label", ["(none)", "golden retriever", "[unk]", "a/b", "1", "naïve", "x,y"]
)
def test_any_text_is_a_label(tmp_path, label):
    images = planted(tmp_path / "images", ["1.jpg", "2.jpg"])
    (tmp_path / "l.csv").write_text(f'file,label\n1.jpg,"{label}"\n2.jpg,other\n')
    assert placed(images, labels=str(tmp_path / "l.csv"))["1.jpg"] == (label, None)


@pytest.mark.parametrize(
    "encoded",
    [
        "file,label\n1.jpg,größe\n".encode("utf-8-sig"),
        "file,label\n1.jpg,größe\n".encode("utf-16"),
        "file,label\n1.jpg,größe\n".encode("utf-16-le"),
        "file,label\n1.jpg,größe\n".encode("utf-16-be"),
        "file,label\n1.jpg,größe\n".encode("latin-1"),
        "file,label\r1.jpg,größe\r".encode(),
    ],
)
def test_text_of_any_usual_encoding_is_read(tmp_path, encoded):
    images = planted(tmp_path / "images", ["1.jpg"])
    (tmp_path / "l.csv").write_bytes(encoded)
    assert placed(images, labels=str(tmp_path / "l.csv")) == {"1.jpg": ("größe", None)}


@pytest.mark.parametrize(
    "text",
    [
        "a/1.jpg;cat\nb/2.jpg;dog\n",
        "a/1.jpg|cat\nb/2.jpg|dog\n",
        "a/1.jpg\tcat\nb/2.jpg\tdog\n",
        "a/1.jpg cat\nb/2.jpg dog\n",
        "a/1.jpg   cat\nb/2.jpg\tdog\n",
        '"a/1.jpg","cat"\n"b/2.jpg","dog"\n',
        "cat,a/1.jpg\ndog,b/2.jpg\n",
        "# written by a tool\n# in two lines\na/1.jpg cat\nb/2.jpg dog\n",
        "2\na/1.jpg cat\nb/2.jpg dog\n",
        "sep=;\npath;label\na/1.jpg;cat\nb/2.jpg;dog\n",
        "label path\ncat a/1.jpg\ndog b/2.jpg\n",
        "what;where\ncat;a/1.jpg\ndog;b/2.jpg\n",
        "\n\na/1.jpg,cat\n\nb/2.jpg,dog\n\n",
    ],
)
@pytest.mark.parametrize("extension", [".csv", ".txt", ".lst", ".tsv"])
def test_separators_and_headers_are_found_whatever_the_extension(tmp_path, text, extension):
    images = planted(tmp_path / "images", ["a/1.jpg", "b/2.jpg"])
    file = tmp_path / f"list{extension}"
    file.write_text(text)
    assert placed(images, labels=str(file)) == {"a/1.jpg": ("cat", None), "b/2.jpg": ("dog", None)}


def test_a_first_line_that_is_data_is_reported(tmp_path):
    images = planted(tmp_path / "images", ["1.jpg", "2.jpg"])
    (tmp_path / "l.csv").write_text("1.jpg,cat\n2.jpg,dog\n")
    (note,) = exhausted(images, labels=str(tmp_path / "l.csv")).notes
    assert "without a header: its first line (1.jpg, cat) is data" in note
    assert "took the path from 1, the label from 2" in note


@pytest.mark.parametrize(
    "columns",
    [
        (("path", "fotos"), ("label", "art"), ("split", "teil"), ("group", "nest")),
        (("path", "FOTOS"), ("label", "Art"), ("split", "Teil"), ("group", "Nest")),
        (("path", "2"), ("label", "4"), ("split", "3"), ("group", "1")),
        (("path", "column:fotos"), ("label", "column:art"), ("split", "teil"), ("group", "nest")),
    ],
)
def test_columns_that_the_user_names_are_taken(tmp_path, columns):
    images = planted(tmp_path / "images", ["1.jpg", "2.jpg"])
    file = tmp_path / "l.csv"
    file.write_text("nest,fotos,teil,art\nn1,1.jpg,Usage 1,cat\nn2,2.jpg,Private,dog\n")
    assert placed(images, labels=str(file), columns=columns) == {
        "1.jpg": ("cat", "Usage 1"),
        "2.jpg": ("dog", "Private"),
    }


def test_keys_that_do_not_fit_are_settled_without_the_folders_that_have_no_line(tmp_path):
    files = ["train/1.jpg", "train/2.jpg", *(f"test/x{number}.jpg" for number in range(5))]
    images = planted(tmp_path / "images", files)
    file = tmp_path / "l.csv"
    file.write_text("id,label\n1,cat\n2,dog\n3,dog\n")
    (doubt,) = doubts_of(images, str(file))
    (remedy,) = doubt["remedies"]
    assert remedy["options"] == {"exclude": ("./test",)}
    assert doubts_of(images, str(file), **remedy["options"]) == []


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        (["00000/FLAIR/1.png", "00000/T1w/2.png", "00002/FLAIR/1.png"], "folder:1"),
        (["scans/00000/1.png", "scans/00000/2.png", "scans/00002/1.png"], "folder:2"),
        (["00000_red.png", "00000_blue.png", "00002_red.png"], r"name:^(.+)_[^_]*\.[^.]*$"),
        (["00000-1.png", "00000-2.png", "00002-1.png"], r"name:^(.+)-[^-]*\.[^.]*$"),
    ],
)
def test_lines_of_several_images_each_are_settled_by_a_map_of_classes(tmp_path, files, rule):
    images = planted(tmp_path / "images", files)
    file = tmp_path / "l.csv"
    file.write_text("id,MGMT_value\n00000,1\n00002,0\n")
    (doubt,) = doubts_of(images, str(file))
    assert doubt["name"] == "lines-of-many"
    options = doubt["remedies"][0]["options"]
    assert options["labels"] == rule
    _, labeling = doubted(images, **options)
    assert labeling.counts == {"1": {None: 2}, "0": {None: 1}}


def test_lines_of_several_images_each_with_more_columns_have_a_hint(tmp_path):
    images = planted(tmp_path / "images", ["a/1.png", "a/2.png", "b/1.png"])
    (tmp_path / "l.csv").write_text("id,age,label\na,3,1\nb,4,0\n")
    with pytest.raises(InputError, match="stands for several images") as caught:
        exhausted(images, labels=str(tmp_path / "l.csv"))
    assert "labels='folder:1' and class_map='@FILE'" in str(caught.value)


def test_lines_of_another_split_than_the_images_find_none(tmp_path):
    images = planted(tmp_path / "images", ["test/1.jpg", "test/2.jpg"])
    (tmp_path / "l.csv").write_text("path,label\ntrain/1.jpg,a\ntrain/2.jpg,b\n")
    with pytest.raises(InputError, match="of another split than the images"):
        exhausted(images, labels=str(tmp_path / "l.csv"))
    inner = placed(images / "test", labels=str(tmp_path / "l.csv"))
    assert inner == {"1.jpg": ("a", None), "2.jpg": ("b", None)}
