//===- Compiler.cpp - everything that hybrid-compile does -----------------===//

#include "hybrid/Compiler/Compiler.h"

#include "Bundle.h"
#include "CostReport.h"
#include "Manifest.h"
#include "hybrid/Compiler/Pipelines.h"
#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "hybrid/Import/ONNXImport.h"
#include "hybrid/Target/NVPTX/GPUTarget.h"
#include "hybrid/Target/NVPTX/Passes.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <chrono>

using namespace mlir;

namespace hybrid {
namespace {

class Compilation {
public:
  Compilation(llvm::StringRef input, llvm::StringRef output,
              const CompileOptions &options, llvm::raw_ostream &errors,
              CompileReport &report)
      : input(input), output(output), options(options), errors(errors),
        report(report), context(makeRegistry()) {
    // Diagnostics name nodes; a dump of the function would bury them.
    context.printOpOnDiagnostic(false);
    if (hasReport())
      collectDecisions(context, decisions);
  }

  bool run();

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }
  bool fail(const llvm::Twine &message) {
    errors << "hybrid-compile: error: " << message << "\n";
    return false;
  }
  bool fail(llvm::Error error) { return fail(toString(std::move(error))); }

  bool hasReport() const { return options.report.format != ReportFormat::None; }
  template <typename Fn>
  bool phase(llvm::StringRef name, Fn fn);
  bool compile();
  bool import();
  bool runPipeline(llvm::function_ref<void(OpPassManager &)> build);
  bool printModule();
  bool parseTarget();
  bool generateCode();
  bool generateDeviceCode();
  void embedImages(llvm::Module &host);
  bool writeOutput(llvm::function_ref<void(llvm::raw_ostream &)> write) {
    return writeFile(output, write);
  }
  bool writeFile(llvm::StringRef file,
                 llvm::function_ref<void(llvm::raw_ostream &)> write);
  bool countCosts();
  bool writeReport();
  bool writeBundle(llvm::ArrayRef<char> object);
  std::vector<WeightRef> getWeights();

  // Copies: lld resets command line options, in which the caller's strings may
  // live.
  std::string input, output;
  const CompileOptions options;
  llvm::raw_ostream &errors;
  CompileReport &report;
  // Before the context, which adds to them as long as it lives.
  std::vector<Decision> decisions;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  /// What runs the host program; without a GPU the kernels, too.
  CPUTarget target;
  std::optional<GPUTarget> gpu;
  std::string ptx;
  llvm::SmallVector<char, 0> cubin;
  llvm::json::Object modelInfo, manifest;
  std::optional<CostReport> costs;
};

template <typename Fn>
bool Compilation::phase(llvm::StringRef name, Fn fn) {
  auto start = std::chrono::steady_clock::now();
  bool ok = fn();
  std::chrono::duration<double> seconds =
      std::chrono::steady_clock::now() - start;
  report.phases.emplace_back(name.str(), seconds.count());
  if (options.progress)
    errors << "hybrid-compile: " << name << ": "
           << llvm::format("%.2f s", seconds.count()) << "\n";
  return ok;
}

/// One line per diagnostic in the form that editors understand; notes are
/// indented.
void printDiagnostic(llvm::raw_ostream &os, Diagnostic &diagnostic) {
  auto severity = [](DiagnosticSeverity s) {
    switch (s) {
    case DiagnosticSeverity::Note:
      return "note";
    case DiagnosticSeverity::Warning:
      return "warning";
    case DiagnosticSeverity::Error:
      return "error";
    case DiagnosticSeverity::Remark:
      return "remark";
    }
    llvm_unreachable("every severity is handled");
  };
  os << "hybrid-compile: " << severity(diagnostic.getSeverity()) << ": "
     << diagnostic << "\n";
  for (Diagnostic &note : diagnostic.getNotes())
    os << "  note: " << note << "\n";
}

bool Compilation::import() {
  module = importONNX(input, &context);
  if (!module)
    return false;
  module->walk([&](Operation *op) {
    report.numNodes += isa<onnx::ONNXDialect>(op->getDialect());
  });
  modelInfo["name"] = llvm::sys::path::filename(input).str();
  if (auto producer = (*module)->getAttrOfType<StringAttr>("onnx.producer"))
    modelInfo["producer"] = producer.str();
  if (auto opsets = (*module)->getAttrOfType<DictionaryAttr>("onnx.opsets")) {
    llvm::json::Object object;
    for (NamedAttribute entry : opsets)
      object[entry.getName().getValue()] =
          cast<IntegerAttr>(entry.getValue()).getInt();
    modelInfo["opsets"] = std::move(object);
  }
  return true;
}

bool Compilation::runPipeline(llvm::function_ref<void(OpPassManager &)> build) {
  PassManager pm(&context, ModuleOp::getOperationName());
  build(pm);
  return succeeded(pm.run(*module));
}

bool Compilation::writeFile(
    llvm::StringRef file, llvm::function_ref<void(llvm::raw_ostream &)> write) {
  if (file == "-") {
    write(llvm::outs());
    return true;
  }
  // Written beside and renamed, so that nothing half-written is left.
  if (auto error = llvm::writeToOutput(file, [&](llvm::raw_ostream &os) {
        write(os);
        return llvm::Error::success();
      }))
    return fail("cannot write " + file + ": " + toString(std::move(error)));
  return true;
}

bool Compilation::printModule() {
  OpPrintingFlags flags;
  // No larger than the masks that the importer takes by value.
  flags.elideLargeElementsAttrs(1 << 16);
  return writeOutput([&](llvm::raw_ostream &os) {
    module->print(os, flags);
    os << "\n";
  });
}

bool Compilation::countCosts() {
  auto result = buildCostReport(*module, options.report);
  if (!result)
    return fail(result.takeError());
  costs = std::move(*result);
  costs->model = llvm::sys::path::filename(input).str();
  return true;
}

bool Compilation::writeReport() {
  if (!options.report.profile.empty())
    if (auto error = addProfile(*costs, options.report.profile))
      return fail(std::move(error));
  costs->decisions = decisions;
  return writeFile(options.report.file, [&](llvm::raw_ostream &os) {
    if (options.report.format == ReportFormat::Text)
      os << costs->toText();
    else if (options.report.format == ReportFormat::HTML)
      os << costs->toHTML();
    else
      os << llvm::formatv("{0:2}", llvm::json::Value(costs->toJSON())) << "\n";
  });
}

/// A constant's elements as they lie in memory.
static std::vector<char> toBytes(DenseElementsAttr data) {
  std::vector<char> bytes;
  if (data.getElementType().isInteger(1)) {
    for (bool bit : data.getValues<bool>())
      bytes.push_back(bit);
    return bytes;
  }
  ArrayRef<char> raw = data.getRawData();
  int64_t copies = data.isSplat() ? data.getNumElements() : 1;
  for (int64_t i = 0; i < copies; ++i)
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  return bytes;
}

uint64_t get(DictionaryAttr from, StringRef key) {
  return from.getAs<IntegerAttr>(key).getInt();
}

WeightRef::Part getPart(DictionaryAttr part) {
  if (auto data = part.getAs<DenseElementsAttr>("data")) {
    std::vector<char> bytes = toBytes(data);
    uint64_t length = bytes.size();
    return {"", 0, length, std::move(bytes)};
  }
  return {part.getAs<StringAttr>("file").str(),
          get(part, "offset"),
          get(part, "length"),
          {}};
}

WeightRef::FloatType getFloatType(DictionaryAttr from, StringRef key) {
  Type type = from.getAs<TypeAttr>(key).getValue();
  return type.isF64()   ? WeightRef::FloatType::F64
         : type.isF32() ? WeightRef::FloatType::F32
         : type.isF16() ? WeightRef::FloatType::F16
                        : WeightRef::FloatType::BF16;
}

WeightRef::Quantization getQuantization(DictionaryAttr info) {
  WeightRef::Quantization form;
  form.bits = get(info, "bits");
  form.block = get(info, "block");
  form.scale = getFloatType(info, "scale");
  form.hasZeroPoints = info.contains("zero_points");
  auto source = info.getAs<DictionaryAttr>("integers");
  if (!source) {
    form.element = getFloatType(info, "element");
    return form;
  }
  WeightRef::Integers &integers = form.integers.emplace();
  integers.rowBytes = get(source, "row_bytes");
  integers.block = get(source, "block");
  integers.isSigned = source.contains("signed");
  integers.zeroPoint = get(source, "zero_point");
  integers.scales = getPart(source.getAs<DictionaryAttr>("scales"));
  integers.scaleRows = get(source, "scale_rows");
  integers.scaleColumns = get(source, "scale_columns");
  if (auto zeros = source.getAs<DictionaryAttr>("zero_points"))
    integers.zeroPoints = getPart(zeros);
  return form;
}

std::vector<WeightRef> Compilation::getWeights() {
  std::vector<WeightRef> weights;
  if (auto attr = (*module)->getAttrOfType<ArrayAttr>(kWeightsAttr))
    for (Attribute element : attr) {
      auto info = cast<DictionaryAttr>(element);
      WeightRef weight;
      weight.rows = get(info, "rows");
      weight.at = get(info, "at");
      for (auto part :
           info.getAs<ArrayAttr>("parts").getAsRange<DictionaryAttr>())
        weight.parts.push_back(getPart(part));
      if (auto panels = info.getAs<DictionaryAttr>("panels"))
        weight.panels = {get(panels, "rows"), get(panels, "columns"),
                         get(panels, "width"), get(panels, "bytes"),
                         panels.contains("transposed")};
      if (auto form = info.getAs<DictionaryAttr>("quantized"))
        weight.quantization = getQuantization(form);
      report.weightBytes =
          std::max<int64_t>(report.weightBytes, weight.at + weight.getLength());
      weights.push_back(std::move(weight));
    }
  return weights;
}

bool Compilation::writeBundle(llvm::ArrayRef<char> object) {
  auto shared = linkShared(object, target);
  if (!shared)
    return fail(shared.takeError());
  report.codeBytes = shared->size();
  std::vector<WeightRef> weights = getWeights();
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::formatv("{0:2}", llvm::json::Value(std::move(manifest)));
  std::string error = writeBundleFile(output, *shared, text, input, weights,
                                      report.weightBytes);
  return error.empty() || fail(error);
}

/// Takes the nested module of kernels out of the module and makes images of it.
bool Compilation::generateDeviceCode() {
  auto nested = module->lookupSymbol<ModuleOp>(kDeviceModule);
  nested->remove();
  OwningOpRef<ModuleOp> device(nested);
  if (!phase("PTX", [&] {
        auto text = emitPTX(*device, *gpu, options.optLevel);
        if (!text)
          return fail(text.takeError());
        ptx = std::move(*text);
        report.ptxBytes = ptx.size();
        return true;
      }))
    return false;
  if (options.stage == Stage::PTX)
    return writeOutput([&](llvm::raw_ostream &os) { os << ptx; });
  std::optional<std::string> ptxas = findPtxas();
  return !ptxas || options.stage == Stage::LLVM || phase("ptxas", [&] {
    auto image = assemble(*ptxas, ptx, *gpu, report.ptxasLog);
    if (!image)
      return fail(image.takeError());
    cubin = std::move(*image);
    report.cubinBytes = cubin.size();
    return true;
  });
}

/// Constants of the host program that the runtime finds by name.
void Compilation::embedImages(llvm::Module &host) {
  llvm::json::Array images;
  auto add = [&](llvm::StringRef format, llvm::StringRef bytes) {
    std::string symbol = ("hybrid_image_" + format).str();
    auto *data = llvm::ConstantDataArray::getString(host.getContext(), bytes,
                                                    /*AddNull=*/true);
    auto *global = new llvm::GlobalVariable(
        host, data->getType(), /*isConstant=*/true,
        llvm::GlobalValue::ExternalLinkage, data, symbol);
    global->setAlignment(llvm::Align(16));
    images.push_back(llvm::json::Object{{"format", format.str()},
                                        {"symbol", symbol},
                                        {"bytes", int64_t(bytes.size())}});
  };
  if (!cubin.empty())
    add("cubin", llvm::StringRef(cubin.data(), cubin.size()));
  add("ptx", ptx);
  manifest["images"] = std::move(images);
}

bool Compilation::generateCode() {
  llvm::LLVMContext llvmContext;
  if (gpu) {
    if (!generateDeviceCode())
      return false;
    if (options.stage == Stage::PTX)
      return true;
  }
  std::unique_ptr<llvm::Module> llvmModule;
  if (!phase("optimise", [&] {
        auto result =
            translateForCPU(*module, llvmContext, target, options.optLevel);
        if (!result)
          return fail(result.takeError());
        llvmModule = std::move(*result);
        return true;
      }))
    return false;
  if (gpu && options.stage != Stage::LLVM)
    embedImages(*llvmModule);
  if (options.stage == Stage::LLVM)
    return writeOutput([&](llvm::raw_ostream &os) { os << *llvmModule; });
  llvm::SmallVector<char, 0> object;
  if (!phase("generate code", [&] {
        auto result = emitObject(*llvmModule, target, options.optLevel);
        if (!result)
          return fail(result.takeError());
        object = std::move(*result);
        return true;
      }))
    return false;
  if (options.stage == Stage::Object)
    return writeOutput(
        [&](llvm::raw_ostream &os) { os.write(object.data(), object.size()); });
  return phase("write", [&] { return writeBundle(object); });
}

bool Compilation::run() {
  return compile() &&
         (!costs || phase("report", [&] { return writeReport(); }));
}

bool Compilation::parseTarget() {
  llvm::StringRef device = options.target, spec;
  std::tie(device, spec) = device.split(':');
  if (device != "cpu" && device != "cuda")
    return fail("unknown target '" + options.target +
                "': this version generates code for cpu[:level[,+feature…]] "
                "and cuda:sm_80, sm_90a, …");
  if (device == "cuda") {
    auto parsed = GPUTarget::parse(spec);
    if (!parsed)
      return fail(parsed.takeError());
    gpu = std::move(*parsed);
    // Host programs fill argument arrays: any processor will do.
    spec = llvm::Triple(llvm::sys::getDefaultTargetTriple()).isX86() ? "x86-64"
                                                                     : "native";
  } else if (options.stage == Stage::PTX) {
    return fail("--emit=ptx is for targets that are GPUs, like "
                "--target=cuda:sm_90a");
  }
  auto parsed = CPUTarget::parse(spec);
  if (!parsed)
    return fail(parsed.takeError());
  target = *parsed;
  report.target = gpu ? "cuda " + gpu->arch + ", host " + target.triple
                      : target.triple + " " + target.cpu;
  return true;
}

bool Compilation::compile() {
  if (!parseTarget())
    return false;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    printDiagnostic(errors, diagnostic);
    return success();
  });
  if (!phase("import", [&] { return import(); }))
    return false;
  if (options.stage == Stage::ONNX)
    return printModule();
  auto stage = [&](llvm::StringRef name, Stage last,
                   llvm::function_ref<void(OpPassManager &)> build,
                   bool &done) {
    if (!phase(name, [&] { return runPipeline(build); }))
      return false;
    if (last == Stage::Hybrid)
      module->walk([&](ParallelOp) { ++report.numParallels; });
    done = options.stage == last;
    // Costs are those of level 3.
    if (last == Stage::Schedule && hasReport() &&
        !phase("costs", [&] { return countCosts(); }))
      return false;
    return !done || printModule();
  };
  bool done = false;
  if (!stage(
          "lower to hybrid", Stage::Hybrid,
          [&](OpPassManager &pm) {
            ImportPipelineOptions pipeline;
            pipeline.states = options.states;
            pipeline.statePairs = options.statePairs;
            pipeline.maxBatch = options.maxBatch;
            pipeline.maxSeq = options.maxSeq;
            pipeline.maxContext = options.maxContext;
            pipeline.dims = options.dims;
            pipeline.raise = options.raise;
            buildImportPipeline(pm, pipeline);
          },
          done) ||
      done)
    return done;
  if (!stage(
          "schedule", Stage::Schedule,
          [&](OpPassManager &pm) {
            SchedulePipelineOptions pipeline;
            pipeline.branchForm = options.branchForm;
            pipeline.scanForm = options.scanForm;
            pipeline.scanChunk = options.scanChunk;
            // Two vectors of float32. A GPU's threads read rows.
            pipeline.panel = gpu ? 0 : target.vectorBits / 16;
            // The only form that threads have so far.
            if (gpu)
              pipeline.scanForm = "sequential";
            // LLVM selects no tiles without optimisations.
            pipeline.packRows =
                !gpu && target.hasMatrixUnit() && options.optLevel > 0;
            pipeline.quantize = options.quantize;
            buildSchedulePipeline(pm, pipeline);
          },
          done) ||
      done)
    return done;
  // A profile is about kernels as they are compiled.
  if (options.stage == Stage::Report && options.report.profile.empty())
    return true;
  if (!stage(
          "kernels", Stage::Kernel,
          [&](OpPassManager &pm) {
            if (gpu) {
              DeviceKernelPipelineOptions pipeline;
              pipeline.maxShared = gpu->maxShared;
              buildDeviceKernelPipeline(pm, pipeline);
              return;
            }
            KernelPipelineOptions pipeline;
            pipeline.vectorBits = target.vectorBits;
            buildKernelPipeline(pm, pipeline);
          },
          done) ||
      done)
    return done;
  if (costs)
    addCompiledNames(*costs, *module);
  if (options.stage == Stage::Report)
    return true;
  // What level 5 no longer shows.
  auto object = buildManifest(*module, target, gpu, std::move(modelInfo));
  if (!object)
    return fail(object.takeError());
  manifest = std::move(*object);
  for (auto func : module->getOps<func::FuncOp>()) {
    report.numKernels += func->hasAttr(kKernelAttr);
    if (func->hasAttr(kEntryAttr)) {
      auto launches = func.getBody().getOps<LaunchOp>();
      report.launches.emplace_back(
          func.getName().str(),
          std::distance(launches.begin(), launches.end()));
    }
  }
  report.arenaBytes =
      (*module)->getAttrOfType<IntegerAttr>(kArenaBytesAttr).getInt();
  auto states = module->getOps<StateOp>();
  report.numStates = std::distance(states.begin(), states.end());
  report.stateBytes = getStateBytes(*module);
  report.quantizedWeights = countQuantizedWeights(*module);
  if (!phase("lower to LLVM", [&] {
        return runPipeline(gpu ? buildDeviceLLVMPipeline : buildLLVMPipeline);
      }))
    return false;
  return generateCode();
}

} // namespace

bool compile(llvm::StringRef input, llvm::StringRef output,
             const CompileOptions &options, llvm::raw_ostream &errors,
             CompileReport &report) {
  return Compilation(input, output, options, errors, report).run();
}

std::string CompileReport::toJSON() const {
  llvm::json::Object launchCounts, seconds, states, quantized;
  for (auto &[form, count] : quantizedWeights)
    quantized[form] = count;
  for (auto &[kind, bytes] : stateBytes)
    states[kind] = bytes;
  for (auto &[name, count] : launches)
    launchCounts[name] = count;
  for (auto &[name, time] : phases)
    seconds[name] = time;
  llvm::json::Object object{{"target", target},
                            {"nodes", numNodes},
                            {"kernels", numKernels},
                            {"states", numStates},
                            {"parallels", numParallels},
                            {"launches", std::move(launchCounts)},
                            {"state_bytes_per_sequence", std::move(states)},
                            {"weights_bytes", weightBytes},
                            {"quantized_weights", std::move(quantized)},
                            {"arena_bytes", arenaBytes},
                            {"code_bytes", codeBytes},
                            {"ptx_bytes", ptxBytes},
                            {"cubin_bytes", cubinBytes},
                            {"seconds", std::move(seconds)}};
  std::string text;
  llvm::raw_string_ostream(text)
      << llvm::formatv("{0:2}", llvm::json::Value(std::move(object))) << "\n";
  return text;
}

std::string CompileReport::toText() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto mib = [](int64_t bytes) {
    return llvm::format("%.1f MiB", bytes / 1048576.0);
  };
  os << "target    " << target << "\n"
     << "nodes     " << numNodes << "\n"
     << "kernels   " << numKernels << " different\n";
  if (numParallels)
    os << "parallel  " << numParallels
       << " layers with branches, all entries\n";
  for (auto &[name, count] : launches)
    os << "launches  " << count << " in " << name << "\n";
  os << "states    " << numStates << "\n";
  for (auto &[kind, bytes] : stateBytes)
    os << "          " << kind << " " << mib(bytes) << " per sequence\n";
  os << "weights   " << mib(weightBytes) << "\n";
  for (auto &[form, count] : quantizedWeights)
    os << "          " << count << " in " << form << "\n";
  os << "arena     " << mib(arenaBytes) << " at full capacity\n"
     << "code      " << mib(codeBytes) << "\n";
  if (ptxBytes)
    os << "GPU code  " << mib(ptxBytes) << " PTX, "
       << (cubinBytes ? "machine code for the target beside it"
                      : "no machine code: no ptxas was found")
       << "\n";
  double total = 0;
  for (auto &[name, time] : phases)
    total += time;
  os << "time      " << llvm::format("%.2f s", total) << " (";
  llvm::interleaveComma(phases, os, [&](const auto &phase) {
    os << phase.first << llvm::format(" %.2f", phase.second);
  });
  os << ")\n";
  return text;
}

} // namespace hybrid
