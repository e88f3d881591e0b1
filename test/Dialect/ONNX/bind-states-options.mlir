// RUN: hybrid-opt %s --onnx-bind-states="pairs=mem:out bindings=n=4" | FileCheck %s
// RUN: not hybrid-opt %s --onnx-bind-states=pairs=mem:missing 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not hybrid-opt %s --onnx-bind-states=pairs=x:out 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not hybrid-opt %s --onnx-bind-states=bindings=n 2>&1 | FileCheck %s --check-prefix=BINDING

// CHECK:      onnx.name = "mem", onnx.state = {kind = "recurrent", present = "out"}
// CHECK:      onnx.bindings = {n = "4"}
// MISSING:    error: 'mem:missing' is not the name of an input, a colon and the name of an output
// TYPE:       error: 'x:out' is not a state: the types 'tensor<?x2xf32>' and 'tensor<?x?xf32>' must agree in all but one dimension, which grows
// BINDING:    error: expected name=expression, not 'n'
func.func @main(%x: tensor<?x2xf32> {onnx.dims = ["b", 2], onnx.name = "x"},
                %mem: tensor<?x?xf32> {onnx.dims = ["b", "n"], onnx.name = "mem"})
    -> (tensor<?x?xf32> {onnx.dims = ["b", "n"], onnx.name = "out"}) {
  return %mem : tensor<?x?xf32>
}
