//===- Hybrid.td - umbrella of the hybrid dialect ----------*- tablegen -*-===//

#ifndef HYBRID_TD
#define HYBRID_TD

include "dialects/Hybrid/HybridDialect.td"
include "dialects/Hybrid/HybridAttributes.td"
include "dialects/Hybrid/HybridInterfaces.td"
include "dialects/Hybrid/HybridOps.td"
include "dialects/Hybrid/HybridProgramOps.td"

#endif // HYBRID_TD
