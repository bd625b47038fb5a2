#include "io/world_contract.h"

#include "net/linux_world.h"

SOFTNDK_WORLD_CONTRACT(Spinning, softndk::net::SpinningWorld);
SOFTNDK_WORLD_CONTRACT(Sleeping, softndk::net::SleepingWorld);
