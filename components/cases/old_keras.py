"""What old Keras did and today's does not, rebuilt so that the cases go wrong as they did."""

import keras


@keras.saving.register_keras_serializable(package="frostgate.cases")
class BatchStatistics(keras.layers.BatchNormalization):
    """BatchNormalization as it was before TensorFlow 2: frozen, it still normalises with the batch while training.

    Its weights and moving statistics stay as they are; in inference mode it uses those of the source task.
    """

    def call(self, inputs, training=None, mask=None):  # type: ignore[no-untyped-def]
        """Normalises float [batch, ..., channels]; the mask counts only where the layer is not frozen."""
        if self.trainable or not training:
            return super().call(inputs, training=training, mask=mask)
        mean, variance = keras.ops.moments(inputs, axes=list(range(len(inputs.shape) - 1)))
        return keras.ops.batch_normalization(inputs, mean, variance, -1, self.beta, self.gamma, self.epsilon)


def with_old_batch_norm(backbone: keras.Model) -> keras.Model:
    """Copies a frozen backbone, weights and all, with every BatchNormalization as it was."""
    copy = keras.models.clone_model(backbone, clone_function=_as_it_was)
    copy.set_weights(backbone.get_weights())
    copy.trainable = False
    return copy


def _as_it_was(layer: keras.layers.Layer) -> keras.layers.Layer:
    kind = BatchStatistics if isinstance(layer, keras.layers.BatchNormalization) else type(layer)
    return kind.from_config(layer.get_config())
