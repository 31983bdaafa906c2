// The tiles of one instruction set, in the namespace ISA. Included by matmul.cpp once for each.

namespace {
namespace ISA {

#include "lanes.h"
#include "tiles_256.h"
#include "tiles_32.h"
#include "tiles_half.h"

}  // namespace ISA
}  // namespace
