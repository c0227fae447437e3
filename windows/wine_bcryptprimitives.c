/*
 * What Wine 8 lacks for Bun: the one function of bcryptprimitives.dll that it
 * asks for. For scripts/lab-wine; in no release.
 */
#include <windows.h>

/* advapi32's RtlGenRandom by its real name. */
BOOLEAN WINAPI SystemFunction036(void *bytes, ULONG count);

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *bytes, SIZE_T count) {
  while (count > 0) {
    ULONG part = count > 65536 ? 65536 : (ULONG)count;
    if (!SystemFunction036(bytes, part)) return FALSE;
    bytes += part;
    count -= part;
  }
  return TRUE;
}
