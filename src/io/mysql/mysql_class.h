/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an error of libmariadb or of a server says about the server: alive and answering, hung,
 * not there. Pure.
 */
#ifndef TANDEM_IO_MYSQL_MYSQL_CLASS_H
#define TANDEM_IO_MYSQL_MYSQL_CLASS_H

#include <stdint.h>

#include "wire/server.h"

/* err, sql_errno and error as in struct mysql_reply. */
enum probe_outcome mysql_classify(int err, uint32_t sql_errno, const char *error);
/* The errno that Connector/C puts at the end of its sentences ("... (111)", "system error: 110");
 * 0 if there is none. */
int mysql_system_error(const char *error);

#endif
