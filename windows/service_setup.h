#ifndef SERVICE_SETUP_H
#define SERVICE_SETUP_H

#include <windows.h>

#define SERVICE_NAME L"migasfree-agent"

/*
 * Does what `migasfree-agent service` asks for. `verb` is --query, --install,
 * --delete, --start or --stop; `command` is what follows it on the command
 * line: for --install, what the service is to run. Returns an error code of
 * the system, or 0.
 */
DWORD set_up_service(const wchar_t *verb, const wchar_t *command);

#endif
