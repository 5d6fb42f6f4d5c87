from components.backbone.momentum import lint


def test_one_epoch_of_22_updates_at_keras_default_momentum_is_too_little():
    assert lint(22, 0.99) == (
        "22 updates at BatchNorm momentum 0.99 leave 80% of the initial moving statistics; 500 updates are needed. "
        "Train longer, with smaller batches, or lower the momentum."
    )


def test_five_time_constants_are_enough():
    assert lint(49, 0.9) is not None
    assert lint(50, 0.9) is None
