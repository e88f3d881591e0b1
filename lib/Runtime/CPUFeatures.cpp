//===- CPUFeatures.cpp - what this CPU can do -----------------------------===//
//
// Asked of the CPU by hand, because __builtin_cpu_supports takes literals only
// and knows other names than LLVM's target features. On x86-64 the features
// that use wider registers also need the operating system to save them (XCR0).
//
//===----------------------------------------------------------------------===//

#include "CPUFeatures.h"

#include <cstdint>
#include <elf.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

using namespace hybrid;

#if defined(__x86_64__)

namespace {

enum Register { EAX, EBX, ECX, EDX };

/// XCR0 bits that must be set: AVX: XMM and YMM; AVX-512: also opmask and ZMM;
/// AMX: tile configuration and data.
constexpr uint64_t noState = 0, avxState = 0x6, avx512State = 0xe6,
                   amxState = 0x60000;

struct Feature {
  const char *name;
  uint32_t leaf, subleaf;
  Register reg;
  int bit;
  uint64_t state;
};

constexpr uint32_t ext = 0x80000001;

const Feature features[] = {
    {"cx8", 1, 0, EDX, 8, noState},
    {"cmov", 1, 0, EDX, 15, noState},
    {"mmx", 1, 0, EDX, 23, noState},
    {"fxsr", 1, 0, EDX, 24, noState},
    {"sse", 1, 0, EDX, 25, noState},
    {"sse2", 1, 0, EDX, 26, noState},
    {"x87", 1, 0, EDX, 0, noState},
    {"64bit", ext, 0, EDX, 29, noState},
    {"sse3", 1, 0, ECX, 0, noState},
    {"pclmul", 1, 0, ECX, 1, noState},
    {"ssse3", 1, 0, ECX, 9, noState},
    {"fma", 1, 0, ECX, 12, avxState},
    {"cx16", 1, 0, ECX, 13, noState},
    {"sse4.1", 1, 0, ECX, 19, noState},
    {"sse4.2", 1, 0, ECX, 20, noState},
    {"crc32", 1, 0, ECX, 20, noState},
    {"movbe", 1, 0, ECX, 22, noState},
    {"popcnt", 1, 0, ECX, 23, noState},
    {"aes", 1, 0, ECX, 25, noState},
    {"xsave", 1, 0, ECX, 26, noState},
    {"avx", 1, 0, ECX, 28, avxState},
    {"f16c", 1, 0, ECX, 29, avxState},
    {"rdrnd", 1, 0, ECX, 30, noState},
    {"fsgsbase", 7, 0, EBX, 0, noState},
    {"bmi", 7, 0, EBX, 3, noState},
    {"avx2", 7, 0, EBX, 5, avxState},
    {"bmi2", 7, 0, EBX, 8, noState},
    {"invpcid", 7, 0, EBX, 10, noState},
    {"avx512f", 7, 0, EBX, 16, avx512State},
    {"avx512dq", 7, 0, EBX, 17, avx512State},
    {"rdseed", 7, 0, EBX, 18, noState},
    {"adx", 7, 0, EBX, 19, noState},
    {"avx512ifma", 7, 0, EBX, 21, avx512State},
    {"clflushopt", 7, 0, EBX, 23, noState},
    {"clwb", 7, 0, EBX, 24, noState},
    {"avx512cd", 7, 0, EBX, 28, avx512State},
    {"sha", 7, 0, EBX, 29, noState},
    {"avx512bw", 7, 0, EBX, 30, avx512State},
    {"avx512vl", 7, 0, EBX, 31, avx512State},
    {"avx512vbmi", 7, 0, ECX, 1, avx512State},
    {"pku", 7, 0, ECX, 4, noState},
    {"waitpkg", 7, 0, ECX, 5, noState},
    {"avx512vbmi2", 7, 0, ECX, 6, avx512State},
    {"shstk", 7, 0, ECX, 7, noState},
    {"gfni", 7, 0, ECX, 8, noState},
    {"vaes", 7, 0, ECX, 9, avxState},
    {"vpclmulqdq", 7, 0, ECX, 10, avxState},
    {"avx512vnni", 7, 0, ECX, 11, avx512State},
    {"avx512bitalg", 7, 0, ECX, 12, avx512State},
    {"avx512vpopcntdq", 7, 0, ECX, 14, avx512State},
    {"rdpid", 7, 0, ECX, 22, noState},
    {"cldemote", 7, 0, ECX, 25, noState},
    {"movdiri", 7, 0, ECX, 27, noState},
    {"movdir64b", 7, 0, ECX, 28, noState},
    {"enqcmd", 7, 0, ECX, 29, noState},
    {"uintr", 7, 0, EDX, 5, noState},
    {"avx512vp2intersect", 7, 0, EDX, 8, avx512State},
    {"serialize", 7, 0, EDX, 14, noState},
    {"tsxldtrk", 7, 0, EDX, 16, noState},
    {"amx-bf16", 7, 0, EDX, 22, amxState},
    {"avx512fp16", 7, 0, EDX, 23, avx512State},
    {"amx-tile", 7, 0, EDX, 24, amxState},
    {"amx-int8", 7, 0, EDX, 25, amxState},
    {"sha512", 7, 1, EAX, 0, noState},
    {"avxvnni", 7, 1, EAX, 4, avxState},
    {"avx512bf16", 7, 1, EAX, 5, avx512State},
    {"amx-fp16", 7, 1, EAX, 21, amxState},
    {"hreset", 7, 1, EAX, 22, noState},
    {"avxifma", 7, 1, EAX, 23, avxState},
    {"avxvnniint8", 7, 1, EDX, 4, avxState},
    {"avxneconvert", 7, 1, EDX, 5, avxState},
    {"avxvnniint16", 7, 1, EDX, 10, avxState},
    {"prefetchi", 7, 1, EDX, 14, noState},
    {"xsaveopt", 0xd, 1, EAX, 0, noState},
    {"xsavec", 0xd, 1, EAX, 1, noState},
    {"xsaves", 0xd, 1, EAX, 3, noState},
    {"ptwrite", 0x14, 0, EBX, 4, noState},
    {"sahf", ext, 0, ECX, 0, noState},
    {"lzcnt", ext, 0, ECX, 5, noState},
    {"sse4a", ext, 0, ECX, 6, noState},
    {"prfchw", ext, 0, ECX, 8, noState},
    {"xop", ext, 0, ECX, 11, avxState},
    {"fma4", ext, 0, ECX, 16, avxState},
    {"tbm", ext, 0, ECX, 21, noState},
    {"mwaitx", ext, 0, ECX, 29, noState},
    {"clzero", 0x80000008, 0, EBX, 0, noState},
    {"rdpru", 0x80000008, 0, EBX, 4, noState},
    {"wbnoinvd", 0x80000008, 0, EBX, 9, noState},
};

/// The state that the operating system saves; 0 if it saves none of it.
uint64_t savedState() {
  unsigned eax, ebx, ecx, edx;
  constexpr unsigned osxsave = 1u << 27;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & osxsave))
    return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/// Linux gives the registers of matrix units to processes that ask for them
/// (Documentation/arch/x86/xstate.rst); all threads have them then.
bool mayUseTiles() {
  constexpr long requestPermission = 0x1023, tileData = 18;
  static const bool granted =
      syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
  return granted;
}

bool supported(const Feature &feature) {
  unsigned regs[4] = {};
  // Returns 0 for leaves beyond the CPU's largest.
  if (!__get_cpuid_count(feature.leaf, feature.subleaf, &regs[EAX], &regs[EBX],
                         &regs[ECX], &regs[EDX]))
    return false;
  if (!(regs[feature.reg] >> feature.bit & 1))
    return false;
  return (savedState() & feature.state) == feature.state &&
         (feature.state != amxState || mayUseTiles());
}

} // namespace

const char *hybrid::hostArchitecture() { return "x86_64"; }
unsigned hybrid::hostElfMachine() { return EM_X86_64; }

std::vector<std::string> hybrid::featuresOfLevel(const std::string &cpu) {
  const std::string prefix = "x86-64-v";
  if (cpu.compare(0, prefix.size(), prefix) || cpu.size() != prefix.size() + 1)
    return {};
  const char level = cpu.back();
  std::vector<std::string> names;
  if (level >= '2')
    names = {"cx16", "sahf", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"};
  if (level >= '3')
    for (const char *name :
         {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"})
      names.push_back(name);
  if (level >= '4')
    for (const char *name :
         {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
      names.push_back(name);
  return names;
}

#elif defined(__aarch64__)

namespace {

struct Feature {
  const char *name;
  unsigned long type; ///< AT_HWCAP or AT_HWCAP2
  int bit;
  bool supported() const { return getauxval(type) >> bit & 1; }
};

/// Bits of Linux's <asm/hwcap.h>, which older systems have only in part.
const Feature features[] = {
    {"fp-armv8", AT_HWCAP, 0},   {"neon", AT_HWCAP, 1},
    {"aes", AT_HWCAP, 3},        {"sha2", AT_HWCAP, 6},
    {"crc", AT_HWCAP, 7},        {"lse", AT_HWCAP, 8},
    {"fullfp16", AT_HWCAP, 10},  {"rdm", AT_HWCAP, 12},
    {"jsconv", AT_HWCAP, 13},    {"complxnum", AT_HWCAP, 14},
    {"rcpc", AT_HWCAP, 15},      {"sha3", AT_HWCAP, 17},
    {"sm4", AT_HWCAP, 19},       {"dotprod", AT_HWCAP, 20},
    {"sve", AT_HWCAP, 22},       {"fp16fml", AT_HWCAP, 23},
    {"rcpc-immo", AT_HWCAP, 26}, {"flagm", AT_HWCAP, 27},
    {"ssbs", AT_HWCAP, 28},      {"sve2", AT_HWCAP2, 1},
    {"f32mm", AT_HWCAP2, 10},    {"f64mm", AT_HWCAP2, 11},
    {"i8mm", AT_HWCAP2, 13},     {"bf16", AT_HWCAP2, 14},
    {"sme", AT_HWCAP2, 23},
};

bool supported(const Feature &feature) { return feature.supported(); }

} // namespace

const char *hybrid::hostArchitecture() { return "aarch64"; }
unsigned hybrid::hostElfMachine() { return EM_AARCH64; }

std::vector<std::string> hybrid::featuresOfLevel(const std::string &) {
  return {};
}

#else
#error "the runtime knows x86-64 and aarch64"
#endif

FeatureSupport hybrid::cpuSupports(const std::string &name) {
  for (const Feature &feature : features)
    if (name == feature.name)
      return supported(feature) ? FeatureSupport::Yes : FeatureSupport::No;
  return FeatureSupport::Unknown;
}
