"""What each cause is called, and what to do about it: two sentences, with the line to change."""

from typing import Final

TITLES: Final = {
    "loss_head_mismatch": "the last layer and the loss do not fit",
    "batch_norm_mode": "frozen BatchNorm trained on batch statistics and is served with other ones",
    "statistics_not_converged": "BatchNorm's moving statistics never converged",
    "batch_dependence": "the answer to a picture depends on what is asked beside it",
    "frozen_weights_changed": "frozen layers are not those of the source backbone",
    "training_serving_skew": "the model is served other inputs than it was trained on",
    "preprocessing_skew": "validation inputs are scaled otherwise than training inputs",
    "label_order": "validation labels are in another order",
    "renamed_classes": "the classes were called otherwise when the champion learnt them",
    "duplicates": "validation holds copies of training examples",
    "class_imbalance": "the splits' classes are distributed otherwise",
    "distribution_shift": "validation comes from another domain",
    "class_collapse": "the model predicts one class",
    "not_learnt": "the model has not learnt its training examples",
    "overfitting": "the model overfits",
}

FIXES: Final = {
    "loss_head_mismatch": (
        "End in Dense(classes, activation='softmax') with (sparse_)categorical_crossentropy, or in Dense(1, "
        "activation='sigmoid') with binary_crossentropy. Leave from_logits at False for either."
    ),
    "batch_norm_mode": (
        "Call the backbone in inference mode, backbone(x, training=False), with backbone.trainable = False. To "
        "fine-tune, set every BatchNormalization layer to trainable = False by itself and compile again."
    ),
    "statistics_not_converged": (
        "Train for at least 5 / (1 - momentum) updates: smaller batches, more epochs, or "
        "BatchNormalization(momentum=0.9). The trained weights can be kept: re-estimate the statistics on training "
        "data, and judge the repaired model again."
    ),
    "batch_dependence": (
        "Remove training=True from the model's own calls of BatchNormalization, Dropout or a backbone: it holds in "
        "serving, too. Then judge again, for the moving statistics that serving needs were never tried."
    ),
    "frozen_weights_changed": (
        "Load the source's weights before training, set backbone.trainable = False and compile after it, and call the "
        "backbone with training=False. Compare the weights before and after fit."
    ),
    "training_serving_skew": (
        "Remove every scaling of pixels from the input function: take them as the Transform graph gives them. What the "
        "model needs besides belongs into the model itself, as a Rescaling layer, so that serving has it too."
    ),
    "preprocessing_skew": (
        "Apply one preprocessing function to training, validation and serving inputs. Best is to make it part of the "
        "model or of the Transform graph, so that it cannot differ."
    ),
    "label_order": (
        "Pass the same class names in the same order to both splits, for instance class_names=sorted(names). Check "
        "class_indices of both generators against each other."
    ),
    "renamed_classes": (
        "Compare this delivery's folders or labels with an earlier one's, correct whichever is wrong, and run "
        "again. If the new names are right, a person may approve this model with --override-code G4."
    ),
    "duplicates": (
        "Split by content, so that a picture and its copies are on one side. Then score again: the present validation "
        "accuracy says too much."
    ),
    "class_imbalance": (
        "Split at random within each class (stratify=labels), from shuffled files. If the classes are served so "
        "unevenly, train with class weights."
    ),
    "distribution_shift": (
        "Add training examples from where validation comes from, or choose validation from where training comes from. "
        "Augmentation and fine-tuning more of the backbone narrow the gap."
    ),
    "class_collapse": (
        "Give model.fit class_weight, or sample the classes evenly. Judge by balanced accuracy, for accuracy rewards "
        "guessing the frequent class."
    ),
    "not_learnt": (
        "Lower the learning rate by ten, and check labels against pictures by eye. Then fit twenty examples: a sound "
        "model and loss reach 100 % on them."
    ),
    "overfitting": (
        "Freeze more of the backbone, add augmentation and weight decay, and stop at the lowest validation loss. More "
        "training examples help most, where validation labels are right: look at a few by eye."
    ),
}
