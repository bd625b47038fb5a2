#include "PRECOMP.H"

#include "part.c"

ULONG TwoFilesNumber(VOID) {
  return wait();
}
