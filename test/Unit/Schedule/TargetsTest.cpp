//===- TargetsTest.cpp - limits of devices, and what binds ----------------===//

#include "hybrid/Schedule/Targets.h"

#include "gtest/gtest.h"

using namespace hybrid;

static std::vector<DeviceLimits> load() {
  mlir::MLIRContext context;
  return loadDevices(&context);
}

TEST(TargetsTest, EveryDeviceStatesEveryLimit) {
  std::vector<std::string> names;
  for (const DeviceLimits &device : load()) {
    names.push_back(device.name);
    for (double limit : {device.matrix32, device.matrix16, device.matrix8,
                         device.vector, device.exponentials, device.bandwidth,
                         device.cacheBytes, device.cores, device.launch})
      EXPECT_GT(limit, 0) << device.name;
    EXPECT_FALSE(device.title.empty() || device.source.empty());
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"cpu", "h100", "h200", "a100", "l4"}));
}

TEST(TargetsTest, TheLongestOfALaunchBindsIt) {
  DeviceLimits device;
  device.matrix32 = 100;
  device.matrix16 = 200;
  device.matrix8 = 400;
  device.vector = 10;
  device.exponentials = 5;
  device.bandwidth = 50;
  device.launch = 0.5;
  LaunchCost cost;
  EXPECT_EQ(predict(cost, device).limit, Limit::Launch);
  EXPECT_EQ(predict(cost, device).seconds, 0.5);
  cost.bytesRead = 60;
  cost.bytesWritten = 40;
  EXPECT_EQ(predict(cost, device).limit, Limit::Bandwidth);
  EXPECT_EQ(predict(cost, device).seconds, 2.5);
  cost.exps = 15;
  EXPECT_EQ(predict(cost, device).limit, Limit::Exponentials);
  EXPECT_EQ(predict(cost, device).seconds, 3.5);
  cost.flops = 620;
  cost.matrixFlops = 600;
  cost.matrixBits = 16;
  EXPECT_EQ(predict(cost, device).limit, Limit::Compute);
  EXPECT_EQ(predict(cost, device).seconds, 600 / 200 + 20 / 10 + 0.5);
}

TEST(TargetsTest, MeasuredLimitsReplaceStatedOnes) {
  DeviceLimits device = load().front();
  double exponentials = device.exponentials;
  EXPECT_FALSE(applyLimits(device, R"({"read_gb_per_second": 12.5,
      "fma_gflops": 80, "empty_launch_microseconds": 2, "other": "x"})"));
  EXPECT_EQ(device.bandwidth, 12.5e9);
  EXPECT_EQ(device.matrix16, 80e9);
  EXPECT_EQ(device.vector, 80e9);
  EXPECT_DOUBLE_EQ(device.launch, 2e-6);
  EXPECT_EQ(device.exponentials, exponentials);
  EXPECT_EQ(device.source, "measured");
}

TEST(TargetsTest, LimitsThatMakeNoSense) {
  for (auto [text, message] :
       std::initializer_list<std::pair<const char *, const char *>>{
           {"3", "no JSON object"},
           {"{}", "none of read_gb_per_second"},
           {R"({"fma_gflops": 0})", "'fma_gflops' is not a positive number"},
           {R"({"fma_gflops": "9"})",
            "'fma_gflops' is not a positive number"}}) {
    DeviceLimits device;
    std::string error = toString(applyLimits(device, text));
    EXPECT_NE(error.find(message), std::string::npos) << error;
  }
  DeviceLimits device;
  EXPECT_NE(toString(applyLimits(device, "{")), "");
}
