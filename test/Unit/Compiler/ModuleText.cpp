//===- ModuleText.cpp - programs with one entry, as text ------------------===//

#include "ModuleText.h"

#include "llvm/ADT/StringRef.h"
#include <cmath>

using namespace hybrid;
using namespace hybrid::test;

//===----------------------------------------------------------------------===//
// What inputs hold
//===----------------------------------------------------------------------===//

static Fill eachElement(std::function<double(Random &)> draw) {
  return [=](Random &random, RefTensor &tensor) {
    for (double &value : tensor.data)
      value = draw(random);
  };
}

Fill hybrid::test::uniform(double low, double high) {
  return eachElement([=](Random &random) { return random.real(low, high); });
}

Fill hybrid::test::integers(int64_t low, int64_t high) {
  return eachElement([=](Random &random) { return random.integer(low, high); });
}

Fill hybrid::test::booleans(double probability) {
  return eachElement(
      [=](Random &random) { return random.chance(probability); });
}

Fill hybrid::test::oneOf(std::vector<double> values) {
  return eachElement([=](Random &random) { return random.pick(values); });
}

Fill hybrid::test::unitRows() {
  return [](Random &random, RefTensor &tensor) {
    uniform()(random, tensor);
    int64_t size = tensor.shape.back();
    for (size_t row = 0; row < tensor.data.size(); row += size) {
      double sum = 0;
      for (int64_t i = 0; i < size; ++i)
        sum += tensor.data[row + i] * tensor.data[row + i];
      for (int64_t i = 0; i < size; ++i)
        tensor.data[row + i] /= std::sqrt(sum);
    }
  };
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

Tolerance hybrid::test::toleranceOf(const std::string &type, double factor) {
  if (type == "f64")
    return {0, 1e-12 * factor};
  if (type == "f32")
    return {0, 1e-5 * factor};
  if (type == "f16")
    return {0x1p-10 * factor, 1e-5 * factor};
  if (type == "bf16")
    return {0x1p-7 * factor, 1e-5 * factor};
  return {};
}

std::string hybrid::test::join(const std::vector<std::string> &parts) {
  std::string text;
  for (const std::string &part : parts)
    text += (text.empty() ? "" : ", ") + part;
  return text;
}

int64_t hybrid::test::getElementBytes(const std::string &type) {
  if (type == "bf16")
    return 2;
  return (std::stoi(type.substr(1)) + 7) / 8;
}

static bool isNumber(llvm::StringRef text) {
  int64_t number;
  return !text.getAsInteger(10, number);
}

int64_t hybrid::test::evaluateDim(const std::string &dim, const Sizes &sizes) {
  int64_t sum = 0;
  llvm::SmallVector<llvm::StringRef> terms;
  llvm::StringRef(dim).split(terms, " + ");
  for (llvm::StringRef term : terms)
    sum += isNumber(term) ? std::stoll(term.str()) : sizes.at(term.str());
  return sum;
}

std::string ModuleText::tensor(const Dims &dims, const std::string &type) {
  std::string text = "tensor<";
  for (const std::string &dim : dims)
    text += (isNumber(dim) ? dim : "?") + "x";
  return text + type + ">";
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

std::string ModuleText::input(const Dims &dims, const std::string &type,
                              Fill fill) {
  std::string name = "a" + std::to_string(inputs.size());
  inputs.push_back({name, type, dims, fill});
  return "%" + name;
}

std::string ModuleText::weight(const Dims &dims, const std::string &type,
                               Fill fill) {
  std::string name = "w" + std::to_string(weights.size());
  int64_t bytes = getElementBytes(type);
  for (const std::string &dim : dims)
    bytes *= std::stoll(dim);
  prologue += "  %" + name + " = hybrid.weight \"" + name +
              "\" from \"weights\"[" + std::to_string(weightBytes) + ", " +
              std::to_string(bytes) + "] : " + tensor(dims, type) + "\n";
  weightBytes += bytes;
  weights.push_back({name, type, dims, fill});
  return "%" + name;
}

std::string ModuleText::state(const Dims &dims, const std::string &type,
                              Fill fill) {
  std::string name = "s" + std::to_string(states.size());
  std::string value = "%" + name;
  prologue += "  " + value + " = hybrid.read_state @" + name + " : " +
              tensor(dims, type) + "\n";
  stateOf[value] = states.size();
  states.push_back({name, type, dims, fill});
  return value;
}

std::string ModuleText::size(const std::string &dim) {
  auto [it, isNew] = sizes.try_emplace(dim);
  if (!isNew)
    return it->second;
  llvm::SmallVector<llvm::StringRef> terms;
  llvm::StringRef(dim).split(terms, " + ");
  std::string value = "%n" + std::to_string(sizes.size());
  if (terms.size() == 1) {
    prologue += "  " + value +
                (isNumber(dim) ? " = arith.constant " + dim + " : index\n"
                               : " = hybrid.dim \"" + dim + "\"\n");
  } else {
    std::string sum = size(terms[0].str());
    for (llvm::StringRef term : llvm::ArrayRef(terms).drop_front()) {
      std::string next = size(term.str());
      std::string partial = fresh();
      prologue += "  " + partial +
                  " = affine.apply affine_map<()[s0, s1] -> "
                  "(s0 + s1)>()[" +
                  sum + ", " + next + "]\n";
      sum = partial;
    }
    value = sum;
  }
  return sizes[dim] = value;
}

std::string ModuleText::empty(const Dims &dims, const std::string &type) {
  std::vector<std::string> operands;
  for (const std::string &dim : dims)
    if (!isNumber(dim))
      operands.push_back(size(dim));
  std::string value = fresh();
  line(value + " = tensor.empty(" + join(operands) +
       ") : " + tensor(dims, type));
  return value;
}

void ModuleText::result(const std::string &label, const std::string &value,
                        const Dims &dims, const std::string &type,
                        Tolerance tolerance) {
  results.push_back({label, value, type, dims, tolerance});
}

void ModuleText::writeState(const std::string &state, const std::string &value,
                            Tolerance tolerance) {
  size_t number = stateOf.at(state);
  const Input &input = states[number];
  epilogue += "  hybrid.write_state " + value + ", @" + input.name + " : " +
              tensor(input.dims, input.type) + "\n";
  writes[number] = tolerance;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string printDims(const Dims &dims) {
  std::vector<std::string> parts;
  for (const std::string &dim : dims)
    parts.push_back(isNumber(dim) ? dim : "\"" + dim + "\"");
  return "[" + join(parts) + "]";
}

std::string ModuleText::print(const Sizes &capacities) const {
  std::string dialect = level == Level::ONNX ? "onnx" : "hybrid";
  auto describe = [&](const std::string &name, const Dims &dims) {
    return " {" + dialect + ".name = \"" + name + "\", " + dialect +
           ".dims = " + printDims(dims) + "}";
  };
  std::string text = "module attributes {";
  if (level == Level::ONNX) {
    text += "onnx.opsets = {ai.onnx = 23 : i64, com.microsoft = 1 : i64}";
  } else {
    std::vector<std::string> symbols;
    for (auto &[name, capacity] : capacities)
      symbols.push_back("{name = \"" + name + "\", role = \"" +
                        (name == "B" ? "batch" : "dim") + "\", capacity = " +
                        std::to_string(capacity) + " : i64}");
    text += "hybrid.symbols = [" + join(symbols) + "]";
  }
  text += "} {\n";
  for (const Input &state : states)
    text += "hybrid.state @" + state.name + " recurrent present \"" +
            state.name + ".out\" : " + tensor(state.dims, state.type) + "\n";
  std::vector<std::string> parameters, resultTypes, values, types;
  for (const Input &input : inputs)
    parameters.push_back("\n    %" + input.name + ": " +
                         tensor(input.dims, input.type) +
                         describe(input.name, input.dims));
  for (const Result &result : results) {
    types.push_back(tensor(result.dims, result.type));
    resultTypes.push_back("\n    " + types.back() +
                          describe(result.label, result.dims));
    values.push_back(result.value);
  }
  text += "func.func @main(" + join(parameters) + ") -> (" + join(resultTypes) +
          ")";
  if (level == Level::Hybrid)
    text += " attributes {hybrid.entry}";
  text += " {\n" + prologue + body + epilogue + "  return " + join(values);
  if (!results.empty())
    text += " : " + join(types);
  return text + "\n}\n}\n";
}
