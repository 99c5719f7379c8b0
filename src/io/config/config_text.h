/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erases one statement from the text of a cluster file. libconfuse stops at the first unknown
 * option; with that statement erased the rest of the file can be checked as well, so that all
 * mistakes are told at once. Only used to go on after an error: it need not understand everything
 * that libconfuse does.
 */
#ifndef TANDEM_IO_CONFIG_STATEMENT_H
#define TANDEM_IO_CONFIG_STATEMENT_H

#include <stdbool.h>

/* Overwrites the statement that begins with `name` in `line` (1 = first) with blanks, keeping line
 * ends. False, and the text unchanged, if it is not found. */
bool statement_erase(char *text, unsigned line, const char *name);

#endif
