//===- Compare.cpp - differences of arrays --------------------------------===//

#include "Compare.h"
#include "hybrid/Runtime/Numbers.h"

#include <cinttypes>
#include <cstdio>

using namespace hybrid;

namespace {
/// One element: its distance, and whether the tolerance forgives it.
struct Element {
  double distance;
  bool ok;
};
} // namespace

static Element compareElement(double got, double want, double rtol,
                              double atol) {
  if (std::isnan(got) || std::isnan(want)) {
    const bool both = std::isnan(got) && std::isnan(want);
    return {both ? 0 : INFINITY, both};
  }
  if (std::isinf(got) || std::isinf(want))
    return {got == want ? 0 : INFINITY, got == want};
  const double distance = std::fabs(got - want);
  return {distance, distance <= atol + rtol * std::fabs(want)};
}

/// 64-bit integers need not fit a double.
static Element compareInteger(HybridDtype dtype, const HybridTensor &got,
                              const NpyArray &want, size_t i, double rtol,
                              double atol) {
  const size_t size = hybrid_dtype_size(dtype);
  if (!std::memcmp(static_cast<const char *>(got.data) + i * size,
                   want.data.data() + i * size, size))
    return {0, true};
  const double a = valueAt(dtype, got.data, i),
               b = valueAt(dtype, want.data.data(), i);
  const double distance = std::fmax(1, std::fabs(a - b));
  return {distance, distance <= atol + rtol * std::fabs(b)};
}

static std::vector<int64_t> indexOf(size_t flat, const HybridTensor &tensor) {
  std::vector<int64_t> index(size_t(tensor.rank));
  for (size_t axis = index.size(); axis-- > 0;) {
    index[axis] = int64_t(flat % size_t(tensor.dims[axis]));
    flat /= size_t(tensor.dims[axis]);
  }
  return index;
}

static std::string mismatch(const HybridTensor &got, const NpyArray &want) {
  const bool floats = isFloat(got.dtype) && isFloat(want.dtype);
  if (!floats && got.dtype != want.dtype)
    return std::string("dtype ") + hybrid_dtype_name(got.dtype) +
           ", expected " + hybrid_dtype_name(want.dtype);
  const std::vector<int64_t> dims(got.dims, got.dims + got.rank);
  if (dims == want.dims)
    return {};
  HybridTensor shape = {};
  shape.rank = int32_t(want.dims.size());
  std::copy(want.dims.begin(), want.dims.end(), shape.dims);
  return "shape " + shapeText(got) + ", expected " + shapeText(shape);
}

namespace {
/// Which elements of a state's value the state keeps: all but for windows.
class Kept {
public:
  Kept(const HybridTensor &value, const HybridStateInfo *state) {
    if (!state || state->window == 0)
      return;
    length = value.dims[state->length_axis];
    for (int32_t i = state->length_axis + 1; i < value.rank; ++i)
      positionSize *= size_t(value.dims[i]);
    sinks = state->sinks;
    window = state->window;
  }

  bool operator()(size_t element) const {
    if (length < 0)
      return true;
    const int64_t position = int64_t(element / positionSize % size_t(length));
    return position < sinks || position >= length - window;
  }

private:
  int64_t length = -1, sinks = 0, window = 0;
  size_t positionSize = 1;
};
} // namespace

Difference hybrid::compareValues(const HybridTensor &got, const NpyArray &want,
                                 double rtol, double atol,
                                 const HybridStateInfo *state) {
  Difference result;
  result.name = want.name;
  result.problem = mismatch(got, want);
  if (!result.problem.empty())
    return result;
  const bool floats = isFloat(got.dtype);
  const size_t count = got.bytes / hybrid_dtype_size(got.dtype);
  size_t worst = 0;
  bool worstOk = true;
  const Kept isKept(got, state);
  for (size_t i = 0; i < count; ++i) {
    if (!isKept(i))
      continue;
    ++result.elements;
    const Element element =
        floats ? compareElement(valueAt(got.dtype, got.data, i),
                                valueAt(want.dtype, want.data.data(), i), rtol,
                                atol)
               : compareInteger(got.dtype, got, want, i, rtol, atol);
    result.outside += !element.ok;
    // Elements outside come before all that are inside.
    const bool worse =
        element.ok == worstOk ? element.distance > result.maxAbs : !element.ok;
    if (!worse)
      continue;
    worst = i;
    worstOk = element.ok;
    result.maxAbs = element.distance;
  }
  if (!result.elements)
    return result;
  result.where = indexOf(worst, got);
  result.got = valueAt(got.dtype, got.data, worst);
  result.want = valueAt(want.dtype, want.data.data(), worst);
  return result;
}

std::string Difference::text() const {
  if (!problem.empty())
    return name + ": " + problem;
  if (!elements)
    return name + ": empty, equal";
  std::string index;
  for (int64_t i : where)
    index += (index.empty() ? "" : ", ") + std::to_string(i);
  char buffer[200];
  std::snprintf(buffer, sizeof(buffer),
                ": max |difference| %.3g (got %.9g, expected %.9g) at [",
                maxAbs, got, want);
  std::string text = name + buffer + index + "]";
  std::snprintf(buffer, sizeof(buffer),
                ", %" PRIu64 " of %" PRIu64 " outside of the tolerance",
                outside, elements);
  return text + buffer;
}

/// JSON has neither NaN nor infinities.
static Json number(double value) {
  if (std::isfinite(value))
    return value;
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

Json Difference::json() const {
  Json json = {{"name", name}, {"ok", ok()}};
  if (!problem.empty()) {
    json["problem"] = problem;
    return json;
  }
  json["elements"] = elements;
  json["outside"] = outside;
  json["max_abs_difference"] = number(maxAbs);
  json["at"] = where;
  json["got"] = number(got);
  json["expected"] = number(want);
  return json;
}
