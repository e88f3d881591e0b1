//===- CUDADriver.cpp - the few functions of NVIDIA's driver --------------===//

#include "CUDADriver.h"
#include "hybrid/Runtime/Manifest.h"

#include <dlfcn.h>

using namespace hybrid;

[[noreturn]] static void missing(const std::string &what) {
  throw RuntimeError(HYBRID_INCOMPATIBLE,
                     "the model is compiled for an NVIDIA GPU, but " + what +
                         "; or compile it with --target=cpu");
}

static CUDADriver load() {
  // Stays loaded: the driver does not survive being unloaded.
  void *const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    missing("this machine has no NVIDIA driver (libcuda.so.1 cannot be "
            "loaded); install one");
  CUDADriver driver;
  const auto find = [&](auto &function, const char *name) {
    void *const address = dlsym(library, name);
    if (!address)
      missing(std::string("this machine's NVIDIA driver has no ") + name +
              "; install a newer one");
    function = reinterpret_cast<std::decay_t<decltype(function)>>(address);
  };
#define HYBRID_FIND(name) find(driver.name, #name)
  HYBRID_FIND(cuInit);
  HYBRID_FIND(cuDeviceGetCount);
  HYBRID_FIND(cuDeviceGet);
  HYBRID_FIND(cuDeviceGetName);
  HYBRID_FIND(cuDeviceGetAttribute);
  HYBRID_FIND(cuDevicePrimaryCtxRetain);
  HYBRID_FIND(cuDevicePrimaryCtxRelease_v2);
  HYBRID_FIND(cuCtxSetCurrent);
  HYBRID_FIND(cuModuleLoadData);
  HYBRID_FIND(cuModuleUnload);
  HYBRID_FIND(cuModuleGetFunction);
  HYBRID_FIND(cuFuncSetAttribute);
  HYBRID_FIND(cuMemAlloc_v2);
  HYBRID_FIND(cuMemFree_v2);
  HYBRID_FIND(cuMemsetD8Async);
  HYBRID_FIND(cuMemcpyHtoDAsync_v2);
  HYBRID_FIND(cuMemcpyDtoHAsync_v2);
  HYBRID_FIND(cuMemcpyDtoDAsync_v2);
  HYBRID_FIND(cuStreamCreate);
  HYBRID_FIND(cuStreamDestroy_v2);
  HYBRID_FIND(cuStreamSynchronize);
  HYBRID_FIND(cuLaunchKernel);
  HYBRID_FIND(cuEventCreate);
  HYBRID_FIND(cuEventDestroy_v2);
  HYBRID_FIND(cuEventRecord);
  HYBRID_FIND(cuEventElapsedTime);
  HYBRID_FIND(cuGraphCreate);
  HYBRID_FIND(cuGraphDestroy);
  HYBRID_FIND(cuGraphAddKernelNode);
  HYBRID_FIND(cuGraphInstantiateWithFlags);
  HYBRID_FIND(cuGraphExecKernelNodeSetParams);
  HYBRID_FIND(cuGraphLaunch);
  HYBRID_FIND(cuGraphExecDestroy);
  HYBRID_FIND(cuGetErrorName);
  HYBRID_FIND(cuGetErrorString);
#undef HYBRID_FIND
  const CUresult result = driver.cuInit(0);
  if (result)
    missing("the NVIDIA driver does not start (" + driver.describe(result) +
            "); is there a GPU?");
  return driver;
}

const CUDADriver &CUDADriver::get() {
  // Throws again each time until it succeeds.
  static const CUDADriver driver = load();
  return driver;
}

std::string CUDADriver::describe(CUresult result) const {
  const char *name = nullptr, *text = nullptr;
  cuGetErrorName(result, &name);
  cuGetErrorString(result, &text);
  return std::string(name ? name : "error " + std::to_string(result)) +
         (text ? std::string(": ") + text : "");
}
