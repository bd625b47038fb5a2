#include <ntddk.h>

#include <fltkernel.h>
