/* Included, not compiled by itself. Its name is also one of the C library's. */
ULONG wait(VOID) {
  return TWO_FILES_NUMBER;
}
