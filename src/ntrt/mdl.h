#pragma once
// Memory descriptor lists. An MDL is the documented 48-byte header and, behind it, one 8-byte page frame number for
// each 4096-byte page that its range touches; here a frame number is the host address divided by 4096, so describing
// memory needs no table and undoing it no work. What the frames say is what counts (mdl_extents.h): a test may permute
// them.
//
//   IoAllocateMdl            header and zeroed frames; nothing is described yet
//   MmBuildMdlForNonPagedPool   frames, MDL_SOURCE_IS_NONPAGED_POOL, MappedSystemVa
//   MmProbeAndLockPages      frames, MDL_PAGES_LOCKED (and MDL_WRITE_OPERATION)
//   MmUnlockPages            undoes the last
//   IoFreeMdl                frees the MDL; never looks at the memory described, which may be gone already
//
// Mistakes of a driver. A bug check: locking twice, unlocking what is not locked, locking memory that is not mapped or
// not writable, freeing an MDL whose pages are locked. A warning in the log: building twice, and building over memory
// that is not in our nonpaged pool. The latter is no bug check because a process cannot tell the resident memory that
// Windows drivers also describe this way (device extensions, a driver's globals) from memory that would be pageable.
#include <cstddef>
#include <cstdint>

#include "wdk/ntddk.h"

namespace softndk::ntrt {

/// The frames behind the header.
inline PFN_NUMBER* mdl_frames(MDL* mdl) noexcept {
  return reinterpret_cast<PFN_NUMBER*>(mdl + 1);
}
inline const PFN_NUMBER* mdl_frames(const MDL* mdl) noexcept {
  return reinterpret_cast<const PFN_NUMBER*>(mdl + 1);
}
/// How many frames belong to it: the pages that its bytes touch.
inline std::size_t mdl_frame_count(const MDL* mdl) noexcept {
  return (static_cast<std::size_t>(mdl->ByteOffset) + mdl->ByteCount + 4095) / 4096;
}
/// The number that consumers use as its address.
inline std::uint64_t mdl_virtual_address(const MDL* mdl) noexcept {
  return reinterpret_cast<std::uintptr_t>(mdl->StartVa) + mdl->ByteOffset;
}

}  // namespace softndk::ntrt
