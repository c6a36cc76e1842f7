"""Every kind of quantization, for either engine: ``METHODS[name](module)``."""

METHODS = {
    "scalar": lambda m: m.ScalarQuantizationConfig(m.ScalarType.Int8, quantile=0.99),
    "product": lambda m: m.ProductQuantizationConfig(m.CompressionRatio.X8),
    "binary": lambda m: m.BinaryQuantizationConfig(),
    "binary1.5": lambda m: m.BinaryQuantizationConfig(
        encoding=m.BinaryQuantizationEncoding.OneAndHalfBits,
        query_encoding=m.BinaryQuantizationQueryEncoding.Scalar4Bits,
    ),
    "binary2": lambda m: m.BinaryQuantizationConfig(
        encoding=m.BinaryQuantizationEncoding.TwoBits,
        query_encoding=m.BinaryQuantizationQueryEncoding.Scalar8Bits,
    ),
    "turbo1": lambda m: m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits1),
    "turbo1.5": lambda m: m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits1_5),
    "turbo2": lambda m: m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits2),
    "turbo4": lambda m: m.TurboQuantQuantizationConfig(),
    "turbo8": lambda m: m.TurboQuantQuantizationConfig(bits=m.TurboQuantBitSize.Bits8),
}
