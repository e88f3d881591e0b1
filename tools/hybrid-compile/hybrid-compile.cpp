//===- hybrid-compile.cpp - ONNX hybrid to artifact -----------------------===//

#include "Verify.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"

#include <array>

namespace cl = llvm::cl;

namespace {

enum class Peer { None, ONNXRuntime };
enum class Logits { Last, All };

/// The tool's options; in a struct, so that their registration is visible.
struct Options {
  cl::OptionCategory category{"hybrid-compile options"};
  cl::opt<std::string> input{cl::Positional, cl::desc("<model.onnx>"),
                             cl::Required, cl::cat(category)};
  cl::opt<std::string> output{
      "o",
      cl::desc("Output file (default: the model's name with .hyb; text "
               "goes to the standard output)"),
      cl::value_desc("file"), cl::cat(category)};
  cl::opt<hybrid::Stage> emit{
      "emit", cl::desc("Stop after a level and print it:"),
      cl::values(
          clEnumValN(hybrid::Stage::ONNX, "onnx", "level 1: as imported"),
          clEnumValN(hybrid::Stage::Hybrid, "hybrid", "level 2: what it means"),
          clEnumValN(hybrid::Stage::Schedule, "schedule",
                     "level 3: kernels and launches on tensors"),
          clEnumValN(hybrid::Stage::Kernel, "kernel",
                     "level 4: loops and vectors on memrefs"),
          clEnumValN(hybrid::Stage::LLVM, "llvm", "level 5: LLVM IR"),
          clEnumValN(hybrid::Stage::PTX, "ptx", "level 5: a GPU's kernels"),
          clEnumValN(hybrid::Stage::Object, "obj", "an ELF object file"),
          clEnumValN(hybrid::Stage::Bundle, "bundle",
                     "the artifact (default)")),
      cl::init(hybrid::Stage::Bundle), cl::cat(category)};
  cl::opt<std::string> target{
      "target",
      cl::desc("cpu[:level[,+feature|-feature…]]; level: native (default), "
               "x86-64, x86-64-v2, x86-64-v3, x86-64-v4, aarch64; or "
               "cuda:sm_80, sm_86, sm_89, sm_90, sm_90a, sm_100, sm_100a, "
               "sm_120"),
      cl::init("cpu"), cl::cat(category)};
  cl::opt<bool> noStates{
      "no-states",
      cl::desc("Keep every graph input and output as it is: one entry, main"),
      cl::cat(category)};
  cl::list<std::string> states{
      "state",
      cl::desc("Bind these pairs to states instead of those found by "
               "name (may be repeated)"),
      cl::value_desc("input:output"), cl::cat(category)};
  cl::opt<int64_t> maxBatch{"max-batch",
                            cl::desc("Most sequences of a call (default 8)"),
                            cl::init(8), cl::cat(category)};
  cl::opt<int64_t> maxSeq{
      "max-seq", cl::desc("Most tokens per sequence of a call (default 2048)"),
      cl::init(2048), cl::cat(category)};
  cl::opt<int64_t> maxContext{
      "max-context",
      cl::desc("Most tokens that a session holds (default 4096)"),
      cl::init(4096), cl::cat(category)};
  cl::list<std::string> dims{
      "dim", cl::desc("Capacity of another dimension (may be repeated)"),
      cl::value_desc("name:capacity"), cl::cat(category)};
  cl::opt<std::string> branchForm{
      "branch-form",
      cl::desc(
          "How branches of a layer run: auto (default: parallel), "
          "sequential, merged (sequential, but with one product for the "
          "inputs of all branches and one for their sum) or parallel (side "
          "by side)"),
      cl::value_desc("form"), cl::init("auto"), cl::cat(category)};
  cl::opt<std::string> scanForm{
      "scan-form",
      cl::desc("How scans are computed: auto (default: what the cost model "
               "expects to be fastest), or where a scan has it, sequential, "
               "chunked or associative"),
      cl::value_desc("form"), cl::init("auto"), cl::cat(category)};
  cl::opt<int64_t> scanChunk{
      "scan-chunk",
      cl::desc("Steps of a scan's chunk, 1 to 128 (default: the cheapest)"),
      cl::value_desc("steps"), cl::init(0), cl::cat(category)};
  cl::opt<std::string> quantize{
      "quantize",
      cl::desc("How matrices that are only multiplied are stored: none "
               "(default: as in the file), q8 or q4 (integers of so many bits, "
               "a scale for each 32; docs/quantization.md)"),
      cl::value_desc("bits"), cl::init("none"), cl::cat(category)};
  std::string raiseText =
      "What to raise of the operators that exporters decompose: all (default), "
      "none, or some of " +
      llvm::join(hybrid::getRaisedFamilies(), ", ");
  cl::list<std::string> raise{"raise", cl::desc(raiseText), cl::CommaSeparated,
                              cl::value_desc("families"), cl::cat(category)};
  cl::opt<unsigned> optLevel{
      "O", cl::Prefix, cl::desc("Optimisation of the code: 0 to 3 (default 2)"),
      cl::init(2), cl::cat(category)};
  cl::opt<bool> verbose{"v", cl::desc("Print each phase's time and a summary"),
                        cl::cat(category)};
  cl::opt<bool> json{
      "json", cl::desc("Print the summary as JSON on the standard output"),
      cl::cat(category)};
  cl::opt<Peer> verify{
      "verify",
      cl::desc("Then compare the artifact's outputs and states on seeded "
               "inputs; with --json, the comparison is what is printed:"),
      cl::values(clEnumValN(Peer::ONNXRuntime, "onnxruntime",
                            "with onnxruntime's, by Python's package hybrid")),
      cl::init(Peer::None), cl::cat(category)};
  cl::opt<hybrid::ReportFormat> report{
      "report",
      cl::desc("Print what the model costs, and why (docs/report.md); without "
               "-o, --emit and --verify, no code is generated:"),
      cl::values(clEnumValN(hybrid::ReportFormat::Text, "text", "tables"),
                 clEnumValN(hybrid::ReportFormat::JSON, "json", "JSON"),
                 clEnumValN(hybrid::ReportFormat::HTML, "html",
                            "a page with plots, by default "
                            "MODEL.report.html")),
      cl::init(hybrid::ReportFormat::None), cl::cat(category)};
  cl::opt<std::string> reportFile{
      "report-file",
      cl::desc("Where the report goes (default for text and JSON: the standard "
               "output)"),
      cl::value_desc("file"), cl::cat(category)};
  cl::list<int64_t> reportSeqs{
      "report-seq", cl::CommaSeparated,
      cl::desc("Tokens of the prefills in the report (default 512,2048)"),
      cl::value_desc("tokens,…"), cl::cat(category)};
  cl::list<int64_t> reportContexts{
      "report-context", cl::CommaSeparated,
      cl::desc("Tokens that sequences hold after the decode steps in the "
               "report (default 512,4096)"),
      cl::value_desc("tokens,…"), cl::cat(category)};
  cl::opt<int64_t> reportBatch{
      "report-batch", cl::desc("Sequences of a call in the report (default 1)"),
      cl::init(1), cl::cat(category)};
  cl::opt<Logits> reportLogits{
      "report-logits",
      cl::desc("Outputs that the prefills in the report compute:"),
      cl::values(
          clEnumValN(Logits::Last, "last", "of the last token (default)"),
          clEnumValN(Logits::All, "all", "of all tokens")),
      cl::init(Logits::Last), cl::cat(category)};
  cl::opt<std::string> reportDevice{
      "report-device",
      cl::desc("Device whose times the report predicts: cpu (default), h100, "
               "h200, a100, l4"),
      cl::init("cpu"), cl::cat(category)};
  cl::opt<std::string> targetLimits{
      "target-limits",
      cl::desc(
          "What that device can do at most, as bench/limits.c measures it"),
      cl::value_desc("file.json"), cl::cat(category)};
  cl::opt<std::string> profile{
      "profile",
      cl::desc("Put the times that hybrid-run --bench --per-kernel --json "
               "measured beside those predicted"),
      cl::value_desc("file.json"), cl::cat(category)};
  cl::opt<bool> layers{
      "layers",
      cl::desc("With --verify: look for the first value inside of the model "
               "that differs"),
      cl::cat(category)};
};

/// What is wrong with the options of the report, or "".
std::string problemOfReport(const Options &options, const std::string &output,
                            const hybrid::CompileOptions &compile) {
  if (options.report == hybrid::ReportFormat::None) {
    std::initializer_list<std::reference_wrapper<const cl::Option>> others = {
        options.reportFile,   options.reportSeqs,   options.reportContexts,
        options.reportBatch,  options.reportLogits, options.reportDevice,
        options.targetLimits, options.profile};
    for (const cl::Option &option : others)
      if (option.getNumOccurrences())
        return "--" + option.ArgStr.str() + " needs --report";
    return {};
  }
  if (compile.stage < hybrid::Stage::Schedule)
    return "--report needs level 3, which --emit=onnx and --emit=hybrid do not "
           "reach";
  if (compile.report.file != "-")
    return {};
  if (options.json || options.verify != Peer::None)
    return "--json and --verify print to the standard output, as --report "
           "does: --report-file names a file for it";
  if (compile.stage != hybrid::Stage::Report && output == "-")
    return "--emit and --report both print to the standard output: -o or "
           "--report-file names a file for one";
  return {};
}

/// What is wrong with the form of `what`, which has auto, sequential and two
/// others; or "".
std::string problemOfForm(const std::string &what, const std::string &form,
                          std::array<const char *, 2> others) {
  if (form == "auto" || form == "sequential" || form == others[0] ||
      form == others[1])
    return {};
  return "--" + what + "-form takes auto, sequential, " + others[0] + " or " +
         others[1] + ", not '" + form + "'";
}

/// What is wrong with the combination of options, or "".
std::string problemOf(const Options &options, const std::string &output) {
  for (const std::string &name : options.raise)
    if (!llvm::is_contained(hybrid::getRaisedFamilies(), name) &&
        (options.raise.size() > 1 || (name != "all" && name != "none")))
      return "--raise=" + name + ": all, none, or some of " +
             llvm::join(hybrid::getRaisedFamilies(), ", ") + " work";
  if (options.layers && options.verify == Peer::None)
    return "--layers needs --verify=onnxruntime";
  for (const std::string &problem :
       {problemOfForm("branch", options.branchForm, {"merged", "parallel"}),
        problemOfForm("scan", options.scanForm, {"chunked", "associative"})})
    if (!problem.empty())
      return problem;
  if (options.quantize != "none" && options.quantize != "q8" &&
      options.quantize != "q4")
    return "--quantize takes none, q8 or q4, not '" + options.quantize + "'";
  if (options.scanChunk < 0 || options.scanChunk > 128)
    return "--scan-chunk takes 1 to 128 steps, not " +
           std::to_string(options.scanChunk);
  if (options.verify == Peer::None)
    return {};
  if (options.emit != hybrid::Stage::Bundle)
    return "--verify runs the artifact, so it cannot be used with --emit";
  if (output == "-")
    return "--verify runs the artifact, which must go to a file";
  return {};
}

hybrid::ReportOptions getReport(const Options &options) {
  hybrid::ReportOptions report;
  report.format = options.report;
  report.seqs.assign(options.reportSeqs.begin(), options.reportSeqs.end());
  report.contexts.assign(options.reportContexts.begin(),
                         options.reportContexts.end());
  report.batch = options.reportBatch;
  report.device = options.reportDevice;
  report.allLogits = options.reportLogits == Logits::All;
  report.limits = options.targetLimits;
  report.profile = options.profile;
  report.file = options.reportFile;
  if (report.file.empty() && report.format == hybrid::ReportFormat::HTML) {
    llvm::SmallString<128> path(options.input);
    llvm::sys::path::replace_extension(path, "report.html");
    report.file = path.str().str();
  }
  if (report.file.empty())
    report.file = "-";
  return report;
}

} // namespace

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  Options options;
  cl::HideUnrelatedOptions(options.category);
  if (!cl::ParseCommandLineOptions(
          argc, argv,
          "Compiles a hybrid language model from ONNX to native code.\n\n"
          "Exit codes: 0 done, 1 the model cannot be compiled or --verify "
          "finds "
          "a difference,\n2 usage, or --verify cannot compare.\n",
          &llvm::errs()))
    return 2;

  hybrid::CompileOptions compile;
  compile.stage = options.emit;
  compile.target = options.target;
  compile.states = !options.noStates;
  compile.statePairs = options.states;
  compile.maxBatch = options.maxBatch;
  compile.maxSeq = options.maxSeq;
  compile.maxContext = options.maxContext;
  compile.dims = options.dims;
  compile.branchForm = options.branchForm;
  compile.scanForm = options.scanForm;
  compile.scanChunk = options.scanChunk;
  compile.quantize = options.quantize;
  if (!options.raise.empty())
    compile.raise = options.raise;
  compile.optLevel = options.optLevel;
  compile.progress = options.verbose;
  compile.report = getReport(options);
  if (compile.report.format != hybrid::ReportFormat::None &&
      options.output.empty() && !options.emit.getNumOccurrences() &&
      options.verify == Peer::None)
    compile.stage = hybrid::Stage::Report;

  std::string output = options.output;
  if (output.empty()) {
    output = "-";
    llvm::SmallString<128> path(options.input);
    if (compile.stage >= hybrid::Stage::Object) {
      llvm::sys::path::replace_extension(
          path, compile.stage == hybrid::Stage::Object ? "o" : "hyb");
      output = path.str().str();
    }
  }
  std::string problem = problemOf(options, output);
  if (problem.empty())
    problem = problemOfReport(options, output, compile);
  if (!problem.empty()) {
    llvm::errs() << "hybrid-compile: error: " << problem << "\n";
    return 2;
  }
  // Linking resets the options.
  const bool json = options.json, verbose = options.verbose;
  const bool verify = options.verify != Peer::None;
  const Verification verification = {
      options.input,
      output,
      compile,
      options.layers,
      json,
      llvm::sys::fs::getMainExecutable(argv[0],
                                       reinterpret_cast<void *>(main))};
  hybrid::CompileReport report;
  if (!hybrid::compile(verification.model, output, compile, llvm::errs(),
                       report))
    return 1;
  if (verify) {
    if (verbose)
      llvm::errs() << report.toText();
    return verification.run();
  }
  if (json)
    llvm::outs() << report.toJSON();
  else if (verbose)
    llvm::errs() << report.toText();
  return 0;
}
