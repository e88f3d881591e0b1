//===- Differential.cpp - compiled code against its meaning ---------------===//

#include "Differential.h"

#include "GuardedBuffer.h"
#include "Interpreter.h"
#include "hybrid/Compiler/Pipelines.h"
#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "hybrid/Runtime/ABI.h"
#include "hybrid/Target/CPU/CPUTarget.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/TargetParser/Triple.h"
#include "gtest/gtest.h"
#include <cmath>
#include <dlfcn.h>
#include <fstream>
#include <numeric>
#include <sys/syscall.h>
#include <unistd.h>

using namespace mlir;
using namespace hybrid;
using namespace hybrid::test;

/// Enough for code that is compiled once and run on small tensors.
static constexpr unsigned kOptLevel = 1;

//===----------------------------------------------------------------------===//
// Targets
//===----------------------------------------------------------------------===//

static CPUTarget parseTarget(llvm::StringRef spec) {
  auto target = CPUTarget::parse(spec);
  if (!target)
    llvm::report_fatal_error(target.takeError());
  return *target;
}

static bool isX86() {
  return llvm::Triple(parseTarget("native").triple).getArch() ==
         llvm::Triple::x86_64;
}

const std::vector<unsigned> &hybrid::test::getVectorWidths() {
  static const std::vector<unsigned> widths = [] {
    unsigned native = parseTarget("native").vectorBits;
    std::vector<unsigned> widths;
    for (unsigned bits = isX86() ? 128 : native; bits <= native; bits *= 2)
      widths.push_back(bits);
    return widths;
  }();
  return widths;
}

unsigned hybrid::test::getVectorWidth(uint64_t seed) {
  return getVectorWidths()[seed % getVectorWidths().size()];
}

/// Whether this machine has matrix units and lets this process use them.
static bool hasMatrixUnit() {
#ifdef __x86_64__
  constexpr long requestPermission = 0x1023, tileData = 18;
  static const bool isAllowed =
      syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return isAllowed && parseTarget("native").hasMatrixUnit();
#else
  return false;
#endif
}

static CPUTarget getTarget(unsigned vectorBits) {
  if (!isX86())
    return parseTarget("native");
  if (vectorBits == 512 && hasMatrixUnit())
    return parseTarget("native");
  return parseTarget(vectorBits == 512   ? "x86-64-v4"
                     : vectorBits == 256 ? "x86-64-v3"
                                         : "x86-64-v2");
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

namespace {
/// Where the weights section holds a weight: by its offset in the file.
struct Placement {
  int64_t at, length;
};

class Compiled {
public:
  /// Errors are test failures; isLoaded() is false then.
  Compiled(const ModuleText &text, const Sizes &capacities,
           unsigned vectorBits);
  ~Compiled() {
    if (library)
      dlclose(library);
  }

  bool isLoaded() const { return library != nullptr; }
  func::FuncOp getReference() {
    return reference->lookupSymbol<func::FuncOp>("main");
  }
  template <typename Fn>
  Fn getFunction(const char *name) const {
    return reinterpret_cast<Fn>(dlsym(library, name));
  }
  Type getType(const std::string &text) { return parseType(text, &context); }

  std::vector<std::string> symbols;
  int64_t arenaBytes = 0, weightBytes = 0;
  std::map<int64_t, Placement> weightAt;

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }
  bool runPasses(function_ref<void(OpPassManager &)> build);
  bool lower(const ModuleText &text, const Sizes &capacities,
             unsigned vectorBits);
  void readAttributes();
  bool load(const CPUTarget &target);
  bool fail(llvm::Error error) {
    ADD_FAILURE() << toString(std::move(error));
    return false;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module, reference;
  void *library = nullptr;
};
} // namespace

Compiled::Compiled(const ModuleText &text, const Sizes &capacities,
                   unsigned vectorBits)
    : context(makeRegistry(), MLIRContext::Threading::DISABLED) {
  std::string errors;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error)
      return;
    errors += diagnostic.str() + "\n";
    for (Diagnostic &note : diagnostic.getNotes())
      errors += "  " + note.str() + "\n";
  });
  CPUTarget target = getTarget(vectorBits);
  if (!lower(text, capacities, vectorBits) || !load(target))
    ADD_FAILURE() << "compilation went wrong: " << errors;
}

bool Compiled::runPasses(function_ref<void(OpPassManager &)> build) {
  PassManager passes(&context, ModuleOp::getOperationName());
  build(passes);
  return succeeded(passes.run(*module));
}

bool Compiled::lower(const ModuleText &text, const Sizes &capacities,
                     unsigned vectorBits) {
  module = parseSourceString<ModuleOp>(text.print(capacities), &context);
  if (!module)
    return false;
  if (text.getLevel() == ModuleText::Level::ONNX &&
      !runPasses([&](OpPassManager &passes) {
        ImportPipelineOptions options;
        options.states = false;
        std::vector<std::string> dims;
        for (auto &[name, capacity] : capacities)
          dims.push_back(name + ":" + std::to_string(capacity));
        options.dims = dims;
        buildImportPipeline(passes, options);
      }))
    return false;
  reference = module->clone();
  if (!runPasses([&](OpPassManager &passes) {
        KernelPipelineOptions options;
        options.vectorBits = vectorBits;
        SchedulePipelineOptions schedule;
        schedule.packRows = getTarget(vectorBits).hasMatrixUnit();
        buildSchedulePipeline(passes, schedule);
        buildKernelPipeline(passes, options);
      }))
    return false;
  readAttributes();
  return runPasses(buildLLVMPipeline);
}

void Compiled::readAttributes() {
  auto getInt = [](DictionaryAttr dictionary, StringRef name) {
    return dictionary.getAs<IntegerAttr>(name).getInt();
  };
  for (Attribute symbol : (*module)->getAttrOfType<ArrayAttr>(kSymbolsAttr))
    symbols.push_back(
        cast<DictionaryAttr>(symbol).getAs<StringAttr>("name").str());
  arenaBytes = (*module)->getAttrOfType<IntegerAttr>(kArenaBytesAttr).getInt();
  for (Attribute attr : (*module)->getAttrOfType<ArrayAttr>(kWeightsAttr)) {
    auto weight = cast<DictionaryAttr>(attr);
    // Modules of these tests have weights of one part in its own order.
    auto part = cast<DictionaryAttr>(weight.getAs<ArrayAttr>("parts")[0]);
    Placement placement{getInt(weight, "at"), getInt(part, "length")};
    weightAt[getInt(part, "offset")] = placement;
    weightBytes = std::max(weightBytes, placement.at + placement.length);
  }
}

/// The artifact may rely on the C library, but on no compiler's.
static void checkUndefinedSymbols(llvm::ArrayRef<char> shared) {
  static void *libm = dlopen("libm.so.6", RTLD_LAZY);
  ASSERT_NE(libm, nullptr) << dlerror();
  auto file = llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef({shared.data(), shared.size()}, "shared"));
  ASSERT_TRUE(bool(file)) << toString(file.takeError());
  auto *elf = llvm::cast<llvm::object::ELFObjectFileBase>(file->get());
  for (const auto &symbol : elf->getDynamicSymbolIterators()) {
    llvm::StringRef name = llvm::cantFail(symbol.getName());
    bool isUndefined = llvm::cantFail(symbol.getFlags()) &
                       llvm::object::SymbolRef::SF_Undefined;
    if (isUndefined && !name.empty()) {
      EXPECT_NE(dlsym(libm, name.str().c_str()), nullptr)
          << name.str() << " is in neither libm nor libc";
    }
  }
}

bool Compiled::load(const CPUTarget &target) {
  llvm::LLVMContext llvmContext;
  auto llvmModule = translateForCPU(*module, llvmContext, target, kOptLevel);
  if (!llvmModule)
    return fail(llvmModule.takeError());
  auto object = emitObject(**llvmModule, target, kOptLevel);
  if (!object)
    return fail(object.takeError());
  auto shared = linkShared(*object, target);
  if (!shared)
    return fail(shared.takeError());
  checkUndefinedSymbols(*shared);
  llvm::SmallString<128> path;
  int fd;
  if (auto error =
          llvm::sys::fs::createTemporaryFile("difftest", "so", fd, path))
    return fail(llvm::createStringError(error, "no temporary file"));
  llvm::raw_fd_ostream os(fd, /*shouldClose=*/true);
  os.write(shared->data(), shared->size());
  os.close();
  library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    ADD_FAILURE() << dlerror();
  llvm::sys::fs::remove(path);
  return library != nullptr;
}

//===----------------------------------------------------------------------===//
// Execution
//===----------------------------------------------------------------------===//

namespace {
/// A device of one thread that runs blocks in random order.
struct ShuffledDevice : HybridContext {
  explicit ShuffledDevice(Random &random) : random(random) {
    HybridContext::launch = [](HybridContext *context, HybridKernelFn kernel,
                               int64_t, int64_t grid, const uint64_t *args,
                               int64_t) {
      auto *device = static_cast<ShuffledDevice *>(context);
      std::vector<int64_t> blocks(std::max<int64_t>(grid, 0));
      std::iota(blocks.begin(), blocks.end(), 0);
      device->random.shuffle(blocks);
      for (int64_t block : blocks)
        kernel(args, block);
    };
  }
  Random &random;
};

/// A program's runs.
class Session {
public:
  Session(const ModuleText &text, Compiled &code, uint64_t seed)
      : text(text), code(code), random(seed), weights(code.weightBytes) {
    drawWeights();
  }

  void run(const Sizes &sizes);

private:
  using Input = ModuleText::Input;
  RefTensor draw(const Input &input, const Sizes &sizes);
  void drawWeights();
  void drawStates(const Sizes &sizes);
  void checkShapes(const std::vector<int64_t> &dims,
                   llvm::ArrayRef<RefTensor> arguments,
                   llvm::ArrayRef<RefTensor> results);

  const ModuleText &text;
  Compiled &code;
  Random random;
  GuardedBuffer weights;
  CallData data;
};

/// Buffers of one kind with what they must hold afterwards.
struct Buffers {
  std::vector<GuardedBuffer> buffers;
  std::vector<void *> pointers;

  GuardedBuffer &add(const RefTensor &tensor, const std::string &type) {
    buffers.emplace_back(tensor.data.size() * getElementBytes(type));
    pointers.push_back(buffers.back().get());
    return buffers.back();
  }
  void checkGuards(const char *kind) const {
    for (size_t i = 0; i < buffers.size(); ++i)
      EXPECT_TRUE(buffers[i].isIntact())
          << "bytes beside " << kind << " " << i << " were written";
  }
};
} // namespace

static std::string print(llvm::ArrayRef<int64_t> numbers) {
  std::string text;
  for (int64_t number : numbers)
    text += (text.empty() ? "" : ",") + std::to_string(number);
  return "[" + text + "]";
}

/// Reports the first elements that differ.
static void compare(const std::string &label, const RefTensor &actual,
                    const RefTensor &expected, Tolerance tolerance) {
  size_t rowSize = expected.shape.empty() ? 1 : expected.shape.back();
  size_t numWrong = 0, total = expected.data.size();
  std::string examples;
  double sumOfSquares = 0, magnitude = 0;
  for (double value : expected.data)
    if (std::isfinite(value))
      sumOfSquares += value * value / total;
  for (size_t i = 0; i < total; ++i) {
    double a = actual.data[i], e = expected.data[i];
    if (i % rowSize == 0) {
      magnitude = std::sqrt(sumOfSquares);
      for (size_t j = i; j < i + rowSize; ++j)
        if (std::isfinite(expected.data[j]))
          magnitude = std::max(magnitude, std::abs(expected.data[j]));
    }
    double allowed = tolerance.relative * std::abs(e) +
                     tolerance.ofRow * magnitude + tolerance.absolute;
    // The smallest number of 16 bits that is not 0.
    if (tolerance.relative > 0)
      allowed += 0x1p-24;
    bool same = std::isnan(e)   ? std::isnan(a)
                : std::isinf(e) ? a == e
                                : std::abs(a - e) <= allowed;
    if (same)
      continue;
    if (++numWrong > 4)
      continue;
    std::ostringstream os;
    os.precision(10);
    os << "  element " << i << ": " << a << " instead of " << e
       << ", tolerance " << allowed << "\n";
    examples += os.str();
  }
  EXPECT_EQ(numWrong, 0u) << label << " " << print(expected.shape) << ": "
                          << numWrong << " of " << total
                          << " elements are wrong\n"
                          << examples;
}

RefTensor Session::draw(const Input &input, const Sizes &sizes) {
  llvm::SmallVector<int64_t> shape;
  for (const std::string &dim : input.dims)
    shape.push_back(evaluateDim(dim, sizes));
  RefTensor tensor(shape);
  input.fill(random, tensor);
  Type type = code.getType(input.type);
  for (double &value : tensor.data)
    value = roundTo(type, value);
  return tensor;
}

void Session::drawWeights() {
  int64_t offset = 0;
  for (const Input &weight : text.getWeights()) {
    RefTensor tensor = draw(weight, {});
    // A weight that nobody uses is nowhere.
    auto placement = code.weightAt.find(offset);
    if (placement != code.weightAt.end())
      weights.write(tensor, weight.type, placement->second.at);
    offset += tensor.data.size() * getElementBytes(weight.type);
    data.weights[weight.name] = std::move(tensor);
  }
}

void Session::drawStates(const Sizes &sizes) {
  for (const Input &state : text.getStates()) {
    RefTensor fresh = draw(state, sizes);
    RefTensor &current = data.states[state.name];
    if (current.shape != fresh.shape)
      current = std::move(fresh);
  }
}

void Session::checkShapes(const std::vector<int64_t> &dims,
                          llvm::ArrayRef<RefTensor> arguments,
                          llvm::ArrayRef<RefTensor> results) {
  auto shapes = code.getFunction<HybridShapesFn>("hybrid_main_shapes");
  ASSERT_NE(shapes, nullptr);
  std::vector<int64_t> expected;
  for (llvm::ArrayRef<RefTensor> tensors : {arguments, results})
    for (const RefTensor &tensor : tensors)
      expected.insert(expected.end(), tensor.shape.begin(), tensor.shape.end());
  std::vector<int64_t> actual(expected.size());
  shapes(dims.data(), actual.data());
  EXPECT_EQ(actual, expected) << "shapes of inputs and results";
}

void Session::run(const Sizes &sizes) {
  drawStates(sizes);
  std::vector<RefTensor> arguments;
  for (const Input &input : text.getInputs())
    arguments.push_back(draw(input, sizes));
  std::vector<int64_t> dims;
  for (const std::string &symbol : code.symbols) {
    // A pass may have added symbols, whose default is 0.
    const auto size = sizes.find(symbol);
    dims.push_back(size == sizes.end() ? 0 : size->second);
    data.dims[symbol] = dims.back();
  }
  CallData before = data;
  auto expected = interpret(code.getReference(), arguments, data);
  if (failed(expected)) {
    ADD_FAILURE() << "the program cannot be evaluated";
    return;
  }
  checkShapes(dims, arguments, *expected);

  Buffers inputs, outputs, states;
  std::vector<std::vector<char>> inputBytes;
  for (auto [input, tensor] : llvm::zip(text.getInputs(), arguments)) {
    inputs.add(tensor, input.type).write(tensor, input.type);
    inputBytes.push_back(inputs.buffers.back().copy());
  }
  for (auto [result, tensor] : llvm::zip(text.getResults(), *expected))
    outputs.add(tensor, result.type);
  for (const Input &state : text.getStates()) {
    const RefTensor &tensor = before.states[state.name];
    states.add(tensor, state.type).write(tensor, state.type);
  }
  GuardedBuffer arena(code.arenaBytes);
  std::vector<char> weightBytes = weights.copy();
  HybridCall call{arena.get(),
                  weights.get(),
                  dims.data(),
                  inputs.pointers.data(),
                  outputs.pointers.data(),
                  states.pointers.data()};
  ShuffledDevice device(random);
  auto entry = code.getFunction<HybridEntryFn>("hybrid_main");
  ASSERT_NE(entry, nullptr);
  entry(&device, &call);

  EXPECT_TRUE(arena.isIntact()) << "bytes beside the arena were written";
  EXPECT_TRUE(weights.isIntact() && weights.copy() == weightBytes)
      << "weights were written";
  inputs.checkGuards("input");
  outputs.checkGuards("output");
  states.checkGuards("state");
  for (size_t i = 0; i < inputBytes.size(); ++i)
    EXPECT_EQ(inputs.buffers[i].copy() == inputBytes[i], true)
        << "input " << i << " was written";
  for (size_t i = 0; i < expected->size(); ++i) {
    const ModuleText::Result &result = text.getResults()[i];
    RefTensor actual((*expected)[i].shape);
    outputs.buffers[i].read(actual, result.type);
    compare(result.label, actual, (*expected)[i], result.tolerance);
  }
  for (size_t i = 0; i < text.getStates().size(); ++i) {
    const Input &state = text.getStates()[i];
    RefTensor &wanted = data.states[state.name];
    RefTensor actual(wanted.shape);
    states.buffers[i].read(actual, state.type);
    auto write = text.getWrites().find(i);
    compare("state " + state.name, actual, wanted,
            write == text.getWrites().end() ? Tolerance() : write->second);
    // Errors must not add up.
    wanted = actual;
  }
}

void hybrid::test::checkCompiled(const ModuleText &text,
                                 const std::vector<Sizes> &runs,
                                 unsigned vectorBits, uint64_t seed) {
  SCOPED_TRACE("vectors of " + std::to_string(vectorBits) + " bits, seed " +
               std::to_string(seed));
  Sizes capacities;
  for (const Sizes &run : runs)
    for (auto &[name, size] : run)
      capacities[name] = std::max({capacities[name], size, int64_t(1)});
  Compiled code(text, capacities, vectorBits);
  if (code.isLoaded()) {
    Session session(text, code, seed);
    for (const Sizes &run : runs) {
      std::string trace;
      for (auto &[name, size] : run)
        trace += " " + name + "=" + std::to_string(size);
      SCOPED_TRACE("sizes" + trace);
      session.run(run);
    }
  }
  const char *path = std::getenv("HYBRID_DIFFERENTIAL_DUMP");
  if (path && testing::Test::HasFailure())
    std::ofstream(path) << text.print(capacities);
}
