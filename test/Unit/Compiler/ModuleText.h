//===- ModuleText.h - programs with one entry, as text ----------*- C++ -*-===//
//
// Level-2 programs (or level-1 ones, of onnx operators) that tests put together
// from several operations, with what their inputs hold and how exact their
// results must be.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_TEST_UNIT_COMPILER_MODULETEXT_H
#define HYBRID_TEST_UNIT_COMPILER_MODULETEXT_H

#include "hybrid/Dialect/Hybrid/Reference/Evaluator.h"
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace hybrid::test {

/// Random numbers that are the same on every machine.
class Random {
public:
  explicit Random(uint64_t seed) : generator(seed) {}
  /// Between 0 and 1.
  double unit() { return (generator() >> 11) * 0x1p-53; }
  double real(double low, double high) { return low + unit() * (high - low); }
  /// low ≤ result ≤ high.
  int64_t integer(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(unit() * (high - low + 1));
  }
  bool chance(double probability) { return unit() < probability; }
  template <typename T>
  T pick(const std::vector<T> &values) {
    return values[integer(0, values.size() - 1)];
  }
  template <typename T>
  void shuffle(std::vector<T> &values) {
    for (size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[integer(0, i - 1)]);
  }

private:
  std::mt19937_64 generator;
};

/// Sets the elements of an input; they are rounded to its type afterwards.
using Fill = std::function<void(Random &, RefTensor &)>;
Fill uniform(double low = -1, double high = 1);
Fill integers(int64_t low, int64_t high);
/// 1 with `probability`.
Fill booleans(double probability);
/// Rows of Euclidean length 1, as keys of the delta rule are.
Fill unitRows();
/// One of `values`.
Fill oneOf(std::vector<double> values);

/// |actual - expected| ≤ relative · |expected| + ofRow · magnitude + absolute.
/// The magnitude is the largest one in the result's row, or the root mean
/// square of the whole result if that is more: a row of few elements may be
/// what remains of large terms.
struct Tolerance {
  double relative = 0, ofRow = 0, absolute = 0;
};
/// For a result of element type `type` that one operation computes in float32
/// (float64 for f64), with errors up to `factor` times what one rounding to
/// storage and a sum of some hundred terms leave:
///   f64  1e-12 of the row, f32  1e-5 of the row,
///   f16 and bf16: one unit in the last place (2^-10, 2^-7) and f32's.
/// Integers are exact.
Tolerance toleranceOf(const std::string &type, double factor = 1);

/// Values of symbols by name.
using Sizes = std::map<std::string, int64_t>;
/// A dimension is a number, a symbol, or a sum of them: "P + T".
using Dims = std::vector<std::string>;
int64_t evaluateDim(const std::string &dim, const Sizes &sizes);

/// A module with the entry @main.
class ModuleText {
public:
  enum class Level { ONNX = 1, Hybrid = 2 };
  explicit ModuleText(Level level = Level::Hybrid) : level(level) {}

  struct Input {
    std::string name, type;
    Dims dims;
    Fill fill;
  };
  struct Result {
    /// What failures call it.
    std::string label;
    std::string value, type;
    Dims dims;
    Tolerance tolerance;
  };

  /// "tensor<?x4x8xf32>"
  static std::string tensor(const Dims &dims, const std::string &type);
  /// Each of these returns the name of a value.
  std::string input(const Dims &dims, const std::string &type,
                    Fill fill = uniform());
  /// A weight of static shape.
  std::string weight(const Dims &dims, const std::string &type,
                     Fill fill = uniform());
  /// A state (its first dimension may be "B") that is read here and set to the
  /// value given to `writeState`.
  std::string state(const Dims &dims, const std::string &type,
                    Fill fill = uniform());
  std::string empty(const Dims &dims, const std::string &type);
  /// An index value.
  std::string size(const std::string &dim);
  std::string fresh() { return "%v" + std::to_string(numValues++); }

  void line(const std::string &text) { body += "  " + text + "\n"; }
  void result(const std::string &label, const std::string &value,
              const Dims &dims, const std::string &type, Tolerance tolerance);
  void writeState(const std::string &state, const std::string &value,
                  Tolerance tolerance);

  /// `capacities` holds every symbol.
  std::string print(const Sizes &capacities) const;

  const std::vector<Input> &getInputs() const { return inputs; }
  const std::vector<Input> &getWeights() const { return weights; }
  const std::vector<Input> &getStates() const { return states; }
  const std::vector<Result> &getResults() const { return results; }
  /// By the state's number.
  const std::map<size_t, Tolerance> &getWrites() const { return writes; }
  Level getLevel() const { return level; }

private:
  Level level;
  std::vector<Input> inputs, weights, states;
  std::vector<Result> results;
  std::map<std::string, size_t> stateOf;
  std::map<size_t, Tolerance> writes;
  std::map<std::string, std::string> sizes;
  std::string prologue, body, epilogue;
  unsigned numValues = 0;
  int64_t weightBytes = 0;
};

/// The parts with commas between them.
std::string join(const std::vector<std::string> &parts);

/// Bytes of one element of `type`.
int64_t getElementBytes(const std::string &type);

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_COMPILER_MODULETEXT_H
