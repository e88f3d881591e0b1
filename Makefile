# What people type. CMake and ninja do the building (see CMakePresets.json).
#
#   make deps            install the Debian packages that are missing
#   make build           tools in build/bin
#   make demo            compile a hybrid language model, run it, time it
#   make wheel           the Python package, with the tools, in build/wheel
#   make check           build everything and run every test
#   make check-sanitize  unit tests of runtime, generation, importer under sanitizers
#   make bench           time against onnxruntime on the same ONNX file, the forms
#                        of branches and scans against each other, and larger
#                        models against onnxruntime and llama.cpp (an hour)
#   make gpu-check       compile the models in MODELS for GPU and run them on the GPU
#                        of this machine
#   make clean

BUILD ?= build
JOBS ?= $(shell nproc)
PYTHON ?= python3
TOOLS := hybrid-compile hybrid-run hybrid-opt

PACKAGES := build-essential cmake ninja-build ccache \
  llvm-22-dev libmlir-22-dev mlir-22-tools llvm-22-tools liblld-22-dev \
  libprotobuf-dev protobuf-compiler libgtest-dev zlib1g-dev \
  nlohmann-json3-dev libxxhash-dev libcpp-httplib-dev \
  python3 python3-venv

# For gpu-check.
MODELS ?= ../shared/models
GPU ?= cuda:sm_90a

.PHONY: all deps configure build tests demo wheel check check-sanitize bench \
  gpu-check clean
all: build

deps:
	@missing=; for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null \
	    | grep -q '^install ok installed' || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	echo "missing Debian packages:$$missing"; \
	sudo=; if [ "$$(id -u)" != 0 ]; then \
	  sudo -n true 2>/dev/null || { \
	    echo "please run: sudo apt-get update && sudo apt-get install -y$$missing" >&2; \
	    exit 1; }; \
	  sudo=sudo; \
	fi; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
	  --no-install-recommends $$missing

configure:
	@cmake --preset release -B $(BUILD) --log-level=WARNING

build: configure
	@cmake --build $(BUILD) --parallel $(JOBS) --target $(TOOLS)

tests: configure
	@cmake --build $(BUILD) --parallel $(JOBS)

demo: deps build
	@utils/demo.sh $(BUILD)

wheel: deps build
	@$(PYTHON) utils/build_wheel.py $(BUILD)

check: deps tests
	@$(PYTHON) test/check.py $(BUILD) --jobs $(JOBS)

check-sanitize: deps
	@cmake --preset sanitize --log-level=WARNING
	@cmake --build build-sanitize --parallel $(JOBS) --target \
	  HybridRuntimeTests HybridGenerationTests HybridServingTests HybridImportTests
	@ctest --test-dir build-sanitize/test --output-on-failure -j $(JOBS) \
	  -R '^(Runtime|Generation|Serving|Import)\.'

gpu-check: deps build
	@rm -rf $(BUILD)/gpu
	@$(PYTHON) test/GPU/pack.py $(BUILD) $(BUILD)/gpu.tar.xz --models $(MODELS) \
	  --target $(GPU) --jobs $(JOBS)
	@tar -xJf $(BUILD)/gpu.tar.xz -C $(BUILD)
	@$(PYTHON) $(BUILD)/gpu/check.py

bench: deps build
	@$(PYTHON) bench/run.py $(BUILD)
	@$(PYTHON) bench/forms.py $(BUILD)
	@$(PYTHON) bench/peers.py $(BUILD)

clean:
	rm -rf $(BUILD) build-debug build-sanitize
