"""How StatisticsGen looks at ingested pictures."""

import tensorflow_data_validation as tfdv

# As many values as the sketch counts exactly: validation sees only what is in the histogram of ranks, and a rare
# unknown label must be in it.
_NUM_EXACT_VALUES = 16_384


def statistics_options() -> tfdv.StatsOptions:
    """Options that keep the cost flat; pass the curated schema to StatisticsGen beside them.

    The sketch, unlike the default, honours the schema's word that a feature is not categorical, so that addresses and
    content hashes, nearly all different, are not counted one by one. JSON-serialisable, as TFX requires.
    """
    return tfdv.StatsOptions(use_sketch_based_topk_uniques=True, num_rank_histogram_buckets=_NUM_EXACT_VALUES)
