#pragma once
// Code addresses in words, for reports.
#include <cstddef>

namespace softndk::ntrt {

/// "driver_start+0x12 (driver.c:41)", of a return address or of a function's first. Without debug information
/// "driver_start+0x12 (driver.so)", or for a static function "driver.so+0x1234", which addr2line takes. `to` is always
/// terminated. Looks into files and takes memory: for reports only.
void describe_code_address(const void* address, char* to, std::size_t size_bytes) noexcept;

/// Where the program or shared library that holds this code begins; null if none does.
const void* code_module(const void* address) noexcept;

}  // namespace softndk::ntrt
