#pragma once
// The contract of src/io, written once for every world. In one source file of the world's tests:
//
//   SOFTNDK_WORLD_CONTRACT(Linux, LinuxWorld);
//
// where LinuxWorld is a factory as world_fixture.h describes it, and tests/ is on the include path.
#include "io/executor_contract.h"
#include "io/network_contract.h"
#include "io/stream_contract.h"

#define SOFTNDK_WORLD_CONTRACT(name, factory)                      \
  namespace softndk::io::contract {                                \
  INSTANTIATE_TYPED_TEST_SUITE_P(name, ExecutorContract, factory); \
  INSTANTIATE_TYPED_TEST_SUITE_P(name, NetworkContract, factory);  \
  INSTANTIATE_TYPED_TEST_SUITE_P(name, StreamContract, factory);   \
  }                                                                \
  static_assert(true)
