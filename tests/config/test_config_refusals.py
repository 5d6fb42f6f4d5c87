"""Every way a configuration can be wrong, and the whole sentence that says so."""

import pytest

from pipeline.config import effective_yaml, load
from pipeline.config_errors import ConfigRefused
from pipeline.config_sources import from_file

KUBEFLOW_REGISTRY = ("registry.kind=kubeflow", "registry.uri=http://registry:8080", "registry.storage=s3://models")
# Ten aliases of one anchor, whose one-letter name is filled in: a chain of such mappings grows tenfold with each.
_TEN = b", ".join(b"%d: *%%c" % number for number in range(10))
LISTED = "`frostgate config show` lists every key."


def refusal(*overrides, environ=None, path=None):
    with pytest.raises(ConfigRefused) as caught:
        load(path, overrides, environ or {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "gate.min_accuracy=0.9",
            f"gate.min_accuracy is not a key; did you mean gate.min_first_accuracy? {LISTED}",
        ),
        ("data.url=photos", f"data.url is not a key; did you mean data.uri? {LISTED}"),
        ("trainer.head.dropot=0.1", f"trainer.head.dropot is not a key; did you mean trainer.head.dropout? {LISTED}"),
        ("min_slice_examples=3", f"min_slice_examples is not a key; did you mean gate.min_slice_examples? {LISTED}"),
        ("xyzzy.q=1", f"xyzzy is not a key; {LISTED}"),
        (
            "beam.runner=flink",
            f"beam.runner is not a key; beam has num_workers, running_mode. {LISTED}",
        ),
        (
            "trainer.head.epochs=0",
            "trainer.head.epochs must be a whole number of at least 1; received 0. "
            "Its meaning: Most passes over the cached features.",
        ),
        (
            "trainer.head.epochs=many",
            "trainer.head.epochs must be a whole number of at least 1; received 'many'. "
            "Its meaning: Most passes over the cached features.",
        ),
        (
            "trainer.seed=1.5",
            "trainer.seed must be a whole number in [0, 4294967296); received 1.5. "
            "Its meaning: Seeds initial weights, order, dropout and augmentation.",
        ),
        (
            "trainer.seed=true",
            "trainer.seed must be a whole number in [0, 4294967296); received true. "
            "Its meaning: Seeds initial weights, order, dropout and augmentation.",
        ),
        (
            "trainer.seed=",
            "trainer.seed must be a whole number in [0, 4294967296); received nothing. "
            "Its meaning: Seeds initial weights, order, dropout and augmentation.",
        ),
        (
            "gate.min_first_accuracy=85",
            "gate.min_first_accuracy must be a number in [0, 1]; received 85. Write 85 % as 0.85.",
        ),
        (
            "trainer.head.learning_rate=.nan",
            "trainer.head.learning_rate must be a number above 0; received nan. Its meaning: Adam's step size.",
        ),
        (
            "trainer.class_weights=heavy",
            "trainer.class_weights must be one of none, balanced; received 'heavy'. "
            "Its meaning: `balanced` weighs every class by the inverse of its frequency.",
        ),
        (
            "trainer.augment.flip=maybe",
            "trainer.augment.flip must be true or false; received 'maybe'. Its meaning: Mirror left to right.",
        ),
        (
            "trainer.head=3",
            "trainer.head must be a section with the keys epochs, batch_size, learning_rate, hidden_units, dropout, "
            "patience; received 3. Its meaning: Phase one.",
        ),
        (
            "data.classes=cat",
            "data.classes must be a list of texts; received 'cat'. Write it in brackets: [cat].",
        ),
        (
            "kubeflow.steps={Trainer: {cpus: 8}}",
            "kubeflow.steps.Trainer.cpus is not a key; did you mean cpu?",
        ),
        (
            "kubeflow.tolerations=[{key: a, operator: Foo}]",
            "kubeflow.tolerations[0].operator must be one of Equal, Exists; received 'Foo'. "
            "Its meaning: How `value` is compared.",
        ),
        (
            "kubeflow.secrets=[{name: A, secret: x}]",
            "kubeflow.secrets[0].key is missing; it must be a text: The key in the secret.",
        ),
        ("kubeflow.env={A: 1}", 'kubeflow.env.A must be a text; received 1. Put it in quotes: "1".'),
        ("data.classes=[5, 6]", 'data.classes must be a list of texts; received 5 in it. Put it in quotes: "5".'),
        (
            "data.classes=[true, ~]",
            'data.classes must be a list of texts; received true in it. Put it in quotes: "true".',
        ),
        (
            "trainer.fine_tune.blocks=true",
            "trainer.fine_tune.blocks must be a whole number or all; received true. Its meaning: How many of "
            "the backbone's blocks, from the top, are trained; 0: none; `all`: the stem too. ResNet50 has 16.",
        ),
        (
            "backbone.kind=resnet",
            "backbone.kind must be one of resnet50, resnet50_v2, mobilenet_v3_large, efficientnet_v2_b0, "
            "convnext_tiny, resnet8; received 'resnet'. Its meaning: The network. `resnet8` trains in seconds at 32 "
            "pixels: for first tries and tests.",
        ),
        (
            "trainer.head.dropout=true",
            "trainer.head.dropout must be a number in [0, 1); received true. "
            "Its meaning: Share of features dropped while training.",
        ),
        (
            "trainer.head={patience: 0}",
            "trainer.head.patience must be a whole number of at least 1; received 0. "
            "Its meaning: Epochs without a lower loss on the images of `data.stop_fraction` before the head stops.",
        ),
        (
            "trainer={head.epochs: 3}",
            "trainer.head.epochs must be nested; received a key with a dot in it. Write "
            "trainer: {head: {epochs: ...}}.",
        ),
        (
            "transform.image_size=4096",
            "transform.image_size must be a whole number in [32, 1024]; received 4096. "
            "Its meaning: Side of the square input, in pixels; with ImageNet weights that of the pictures that they "
            "were trained on.",
        ),
        (
            "name=A b",
            "name must be a text like digits or cats-and-dogs; received 'A b'. Its meaning: The pipeline's name: "
            "lower-case letters, digits and hyphens, at most 63. Its runs share a cache and a folder of this name.",
        ),
        (
            f"name={'a' * 5_000}",
            f"name must be a text like digits or cats-and-dogs; received '{'a' * 79}. Its meaning: The pipeline's "
            "name: lower-case letters, digits and hyphens, at most 63. Its runs share a cache and a folder of this "
            "name.",
        ),
        (
            "output=",
            "output must be a text that is not empty; received ''. "
            "Its meaning: Folder that receives everything a run writes.",
        ),
        ("trainer.seed", "expected key=value, such as --set trainer.seed=7."),
        ("=7", "expected key=value, such as --set trainer.seed=7."),
        (".seed=7", "expected key=value, such as --set trainer.seed=7."),
    ],
)
def test_a_fault_is_one_sentence_with_key_expectation_value_and_way_out(override, sentence):
    assert refusal(override) == f"--set {override.partition('=')[0]}".strip() + f": {sentence}"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ["trainer.fine_tune.blocks=17"],
            "trainer.fine_tune.blocks must be 0 to 16 or all; received 17. ResNet50 has 16 blocks.",
        ),
        (
            ["backbone.kind=convnext_tiny", "trainer.fine_tune.blocks=19"],
            "trainer.fine_tune.blocks must be 0 to 18 or all; received 19. ConvNeXtTiny has 18 blocks.",
        ),
        (
            ["backbone.kind=resnet8", "backbone.weights=imagenet"],
            "backbone.weights must be a file, pretrain or none when backbone.kind is resnet8; received imagenet. "
            "Nobody publishes ImageNet weights of it: name another kind, or pretrain it here.",
        ),
        (
            ["backbone.weights=none", "trainer.fine_tune.blocks=2"],
            "trainer.fine_tune.blocks must be 0 when backbone.weights is none; received 2. "
            "Random weights are trained whole, from scratch: set the blocks to 0, or name weights to start from.",
        ),
        (
            ["backbone.weights=imagnet"],
            "backbone.weights must be pretrain, imagenet, none, or a .weights.h5, .h5 or .keras file; received "
            "'imagnet'. Name one of them.",
        ),
        (
            ["backbone.weights=/w.weights.h5", "backbone.sha256=abc"],
            "backbone.sha256 must be 64 lower-case hexadecimal digits; received 'abc'. "
            "Copy what `sha256sum` prints for the weights file.",
        ),
        (
            ["trainer.fine_tune.blocks=-1"],
            "trainer.fine_tune.blocks must be 0 to 16 or all; received -1. ResNet50 has 16 blocks.",
        ),
        (
            [f"backbone.sha256={'a' * 64}"],
            f"backbone.sha256 must be empty when backbone.weights is pretrain; received {'a' * 64}. "
            "It is compared with a weights file of one's own: name that file in backbone.weights.",
        ),
        (
            ["evaluation.slice_features=[label]"],
            "evaluation.slice_features must name text or whole numbers with few values, beside the label; "
            "received 'label'. Leave it out.",
        ),
        (
            ["registry.storage=models"],
            "registry.storage must be empty when registry.kind is mlflow; received models. MLflow keeps the models' "
            "files itself: remove it, or set registry.kind to kubeflow.",
        ),
        (
            [*KUBEFLOW_REGISTRY, "registry.storage="],
            "registry.storage must be a folder, s3:// or gs:// when registry.kind is kubeflow; it is empty. "
            "The server keeps no files: say where the models' are to be.",
        ),
        (
            [*KUBEFLOW_REGISTRY, "registry.uri="],
            "registry.uri must be a server's address, http:// or https://, when registry.kind is kubeflow; received "
            "''. Give it as in http://model-registry-service.kubeflow:8080.",
        ),
        (
            [*KUBEFLOW_REGISTRY, "registry.uri=ftp://me:canary@registry"],
            "registry.uri must be a server's address, http:// or https://, when registry.kind is kubeflow; received "
            "'ftp://registry'. Give it as in http://model-registry-service.kubeflow:8080.",
        ),
        (
            [*KUBEFLOW_REGISTRY, "registry.experiment=digits"],
            "registry.experiment must be empty when registry.kind is kubeflow; received 'digits'. "
            "Only MLflow has experiments: remove it.",
        ),
        (
            [*KUBEFLOW_REGISTRY, "registry.model_name=team/digits"],
            "registry.model_name must be letters, digits, spaces, dots, hyphens and underscores when registry.kind is "
            "kubeflow; received 'team/digits'. A folder of the storage has this name: choose another.",
        ),
        (
            ["data.classes=[cat]"],
            "data.classes must name at least two classes, each once; received cat. "
            "Leave it empty to discover them from the data.",
        ),
        (
            ["data.classes=[cat, cat]"],
            "data.classes must name at least two classes, each once; received cat, cat. "
            "Leave it empty to discover them from the data.",
        ),
        (
            ["data.classes=[cat, '']"],
            "data.classes must name every class; received ['cat', '']. Remove the empty name, or give it one.",
        ),
        (
            ["gate.hold_generalisation_gap=0.05"],
            "gate.hold_generalisation_gap must be at least gate.max_generalisation_gap, 0.1; received 0.05. "
            "Raise the one or lower the other.",
        ),
        (
            ["trainer.run_fn=train"],
            "trainer.run_fn must be a dotted name, package.module.function; received 'train'. "
            "Put the function in a module that Python can import.",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused(overrides, sentence):
    assert refusal(*overrides) == sentence


def test_each_of_several_faults_has_its_own_line():
    assert refusal("trainer.head.epochs=0", "data.url=x").splitlines() == [
        "--set data.url: data.url is not a key; did you mean data.uri? " + LISTED,
        "--set trainer.head.epochs: trainer.head.epochs must be a whole number of at least 1; received 0. "
        "Its meaning: Most passes over the cached features.",
    ]


def test_a_fault_in_the_environment_names_the_variable():
    assert refusal(environ={"FROSTGATE__DATA__URL": "x"}) == (
        f"environment variable FROSTGATE__DATA__URL: data.url is not a key; did you mean data.uri? {LISTED}"
    )


def test_a_variable_that_names_nothing_is_refused():
    assert refusal(environ={"FROSTGATE__": "x"}) == (
        f"environment variable FROSTGATE__: an empty name is not a key; {LISTED}"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            b"name: a\n---\nname: b\n",
            ", line 2: expected YAML, but found another document. "
            "Mind the indentation, and quote texts that hold `: ` or `#`.",
        ),
        (
            b"trainer.seed: 3\n",
            ": trainer.seed must be nested; received a key with a dot in it. Write trainer: {seed: ...}.",
        ),
        (
            b"? [a, b]\n: c\n",
            ", line 1: expected YAML, but a key must be text. "
            "Mind the indentation, and quote texts that hold `: ` or `#`.",
        ),
        (b"trainer: &t {head: *t}\n", ": a value refers to itself; write it out."),
        (
            b"a: &a {b: 0}\n" + b"".join(b"%c: &%c {%s}\n" % (n, n, _TEN % ((n - 1,) * 10)) for n in range(98, 108)),
            ", line 1: expected YAML, but its aliases (`*name`) make it too large; write out what is meant. "
            "Mind the indentation, and quote texts that hold `: ` or `#`.",
        ),
        (
            b"[" * 100_000,
            ": expected YAML, but it is nested too deeply. "
            "Mind the indentation, and quote texts that hold `: ` or `#`.",
        ),
        (
            b"trainer:\n",
            ": trainer must be a section with the keys run_fn, warm_start, seed, head, fine_tune, from_scratch, "
            "augment, class_weights, label_smoothing, embed_batch_size, mixed_precision; received nothing. "
            "Its meaning: How the classifier is trained.",
        ),
        (b"trainer:\n  seed: 1\n  seed: 2\n", ", line 3: expected YAML, but seed is given twice. Keep one of them."),
        (b"- a\n- b\n", ": expected keys and values, such as `name: digits`; received a list."),
        (b"digits\n", ": expected keys and values, such as `name: digits`; received only a text."),
        (
            b"name: [digits\n",
            ", line 2: expected YAML, but expected ',' or ']', but got '<stream end>'. "
            "Mind the indentation, and quote texts that hold `: ` or `#`.",
        ),
        (
            b"name: !!binary /w==\n",
            ": name must be a text like digits or cats-and-dogs; received b'\\xff'. Its meaning: The pipeline's name: "
            "lower-case letters, digits and hyphens, at most 63. Its runs share a cache and a folder of this name.",
        ),
        (b"name: \xff\n", ": expected YAML in UTF-8; received other bytes. Save it as UTF-8."),
        (
            b"trainer: {seed: !!int x}\n",
            ", line 1: expected YAML, but found a !!int that is none. "
            "Mind the indentation, and quote texts that hold `: ` or `#`.",
        ),
        (
            b"trainer: {seed: !!timestamp x}\n",
            ", line 1: expected YAML, but found a !!timestamp that is none. "
            "Mind the indentation, and quote texts that hold `: ` or `#`.",
        ),
        (
            b'output: "a\\0b"\n',
            ", line 1: expected YAML, but a text holds a NUL character. "
            "Mind the indentation, and quote texts that hold `: ` or `#`.",
        ),
        (b"data: &a {uri: *a}\n", None),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(tmp_path, text, sentence):
    file = tmp_path / "run.yaml"
    file.write_bytes(text)
    received = refusal(path=str(file))
    assert received.startswith(str(file)) and "\n" not in received
    assert sentence is None or received == f"{file}{sentence}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!int ''", "found a !!int that is none"),
        ("a: !!float ''", "found a !!float that is none"),
        ("a: !!int 1:30", "found a !!int that is none"),
        ("a: !!float 1:30.5", "found a !!float that is none"),
        ("a: !!map [1]", "expected a mapping node, but found sequence"),
        ("a: !!map xy", "expected a mapping node, but found scalar"),
        ("0x" + "f" * 5000, "a number has more than 64 bits"),
        ("a: 18446744073709551616", "a number has more than 64 bits"),
    ],
)
def test_a_value_that_is_no_number_or_mapping_is_one_sentence(tmp_path, text, problem):
    file = tmp_path / "run.yaml"
    file.write_text(f"{text}\n")
    assert refusal(path=str(file)) == (
        f"{file}, line 1: expected YAML, but {problem}. Mind the indentation, and quote texts that hold `: ` or `#`."
    )


@pytest.mark.parametrize("text", ["1:30", "1" + ":1" * 3000 + ".5", "-1:30:00"])
def test_a_time_of_day_is_a_text_and_no_number_of_base_60(tmp_path, text):
    file = tmp_path / "run.yaml"
    file.write_text(f"data: {{classes: [{text}, -1_000, +0x1F, 0b1, .5, 1.5e-3, 18446744073709551615]}}\n")
    classes = from_file(str(file)).values["data"]["classes"]
    assert classes == [text, -1000, 31, 1, 0.5, 0.0015, 2**64 - 1]


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert refusal(path=str(tmp_path / "no.yaml")) == (
        f"{tmp_path}/no.yaml: there is no such configuration file; check the path after --config."
    )
    assert refusal(path=str(tmp_path)) == (
        f"{tmp_path}: cannot be read (Is a directory); check the path after --config."
    )


def test_a_file_cannot_run_code(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    assert "expected YAML" in refusal(path=str(file))
    assert not (tmp_path / "made").exists()


def test_a_kubeflow_registry_is_told_where_it_is_and_where_the_files_go():
    registry = load(None, KUBEFLOW_REGISTRY).registry
    assert (registry.kind, registry.uri, registry.storage) == ("kubeflow", "http://registry:8080", "s3://models")


@pytest.mark.parametrize(
    ("key", "override"),
    [
        ("data.uri", "data.uri=s3://KEY:can/ary@bucket/x"),
        ("data.uri", "data.uri=https://host/x?X-Amz-Signature=canary"),
        ("serving_log.uri", "serving_log.uri=s3://KEY:canary@bucket"),
        ("backbone.pretrain.data_uri", "backbone.pretrain.data_uri=https://canary@host/x"),
        ("push.destination", "push.destination=s3://KEY:canary@models"),
        ("kubeflow.endpoint", "kubeflow.endpoint=http://ann:canary@api"),
        ("kubeflow.env.PROXY", "kubeflow.env={PROXY: 'http://ann:canary@proxy'}"),
        ("kubeflow.parameters[0]", "kubeflow.parameters=['http://ann:canary@x']"),
    ],
)
def test_a_password_where_it_would_be_stored_is_refused_without_being_said(key, override):
    sentence = refusal(override)
    assert sentence.startswith(
        f"{key} must hold no password, token or signature, for it is stored and shown; received one."
    )
    way_out = "kubeflow.secrets" if key.startswith("kubeflow.") else "AWS_SECRET_ACCESS_KEY"
    assert way_out in sentence and "ary" not in sentence


def test_a_registry_and_a_gateway_may_be_given_with_a_password():
    config = load(None, ["registry.uri=http://ann:s3/cr3t@host", "monitoring.pushgateway=http://ann:s3cr3t@host"], {})
    assert "cr3t" not in f"{config!r}{config.model_dump_json()}{effective_yaml(config)}"
