//===- Numbers.h - conversions of floating point values ---------*- C++ -*-===//

#ifndef HYBRID_RUNTIME_NUMBERS_H
#define HYBRID_RUNTIME_NUMBERS_H

#include "hybrid/Runtime/Runtime.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace hybrid {

inline float bfloat16ToFloat(uint16_t bits) {
  const uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

/// Rounds to nearest, ties to even; NaN stays NaN.
inline uint16_t floatToBfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (std::isnan(value))
    return uint16_t(bits >> 16 | 0x40);
  bits += 0x7fff + (bits >> 16 & 1);
  return uint16_t(bits >> 16);
}

inline double float16ToDouble(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const double sign = bits >> 15 ? -1.0 : 1.0;
  if (exponent == 31)
    return fraction ? NAN : sign * INFINITY;
  if (exponent == 0)
    return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

/// Rounds to nearest, ties to even; too large becomes infinite.
inline uint16_t floatToFloat16(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value))
    return sign | 0x7e00;
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520.0f)
    return sign | 0x7c00;
  if (magnitude < std::ldexp(1.0f, -14))
    return sign | uint16_t(std::lrint(std::ldexp(magnitude, 24)));
  int exponent;
  const float fraction = std::frexp(magnitude, &exponent);   // in [0.5, 1)
  const long rounded = std::lrint(std::ldexp(fraction, 11)); // 1024 … 2048
  return sign | uint16_t(((exponent + 13) << 10) + rounded);
}

inline bool isFloat(HybridDtype dtype) { return dtype <= HYBRID_FLOAT64; }

template <typename T>
T loadAs(const void *data, size_t index) {
  T value;
  std::memcpy(&value, static_cast<const char *>(data) + index * sizeof(T),
              sizeof(T));
  return value;
}

/// Element `index` of dense values as a double.
inline double valueAt(HybridDtype dtype, const void *data, size_t index) {
  switch (dtype) {
  case HYBRID_FLOAT32:
    return loadAs<float>(data, index);
  case HYBRID_FLOAT16:
    return float16ToDouble(loadAs<uint16_t>(data, index));
  case HYBRID_BFLOAT16:
    return bfloat16ToFloat(loadAs<uint16_t>(data, index));
  case HYBRID_FLOAT64:
    return loadAs<double>(data, index);
  case HYBRID_INT8:
    return loadAs<int8_t>(data, index);
  case HYBRID_INT16:
    return loadAs<int16_t>(data, index);
  case HYBRID_INT32:
    return loadAs<int32_t>(data, index);
  case HYBRID_INT64:
    return double(loadAs<int64_t>(data, index));
  case HYBRID_UINT8:
  case HYBRID_BOOL:
    return loadAs<uint8_t>(data, index);
  case HYBRID_UINT16:
    return loadAs<uint16_t>(data, index);
  case HYBRID_UINT32:
    return loadAs<uint32_t>(data, index);
  case HYBRID_UINT64:
    return double(loadAs<uint64_t>(data, index));
  }
  return NAN;
}

/// Element `index` = a small value, in any dtype.
inline void storeAt(HybridDtype dtype, void *data, size_t index, double value) {
  char *to = static_cast<char *>(data) + index * hybrid_dtype_size(dtype);
  switch (dtype) {
  case HYBRID_FLOAT32: {
    const float narrow = float(value);
    std::memcpy(to, &narrow, sizeof(narrow));
    return;
  }
  case HYBRID_FLOAT16:
  case HYBRID_BFLOAT16: {
    const uint16_t bits = dtype == HYBRID_FLOAT16
                              ? floatToFloat16(float(value))
                              : floatToBfloat16(float(value));
    std::memcpy(to, &bits, sizeof(bits));
    return;
  }
  case HYBRID_FLOAT64:
    std::memcpy(to, &value, sizeof(value));
    return;
  default: {
    // Little endian: the first bytes are the value in every integer width.
    const int64_t integer = int64_t(value);
    std::memcpy(to, &integer, hybrid_dtype_size(dtype));
  }
  }
}

} // namespace hybrid

#endif // HYBRID_RUNTIME_NUMBERS_H
