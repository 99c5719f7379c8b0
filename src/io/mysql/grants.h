/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an account lacks of the agent's privileges, from the rows of SHOW GRANTS; and who else has
 * privileges that nobody but administrators should have. Pure. Knows
 * privileges that were given to the account itself; those of a role count only if the server shows
 * them as the account's.
 */
#ifndef TANDEM_IO_MYSQL_GRANTS_H
#define TANDEM_IO_MYSQL_GRANTS_H

#include <stddef.h>

#include "io/mysql/dialect.h"

#define GRANTS_TEXT_MAX 4096

/* All zero: nothing was granted yet. */
struct grants {
    char everywhere[GRANTS_TEXT_MAX]; /* ",SUPER,PROCESS," on *.* */
    char tandem[GRANTS_TEXT_MAX];     /* on tandem.* */
};

/* "GRANT SELECT, INSERT ON *.* TO ..."; other rows are skipped. */
void grants_row(struct grants *g, const char *row);
/* Names of what is missing, a comma between each two; "" if nothing is. cure: what only the cure of
 * a returned server needs, instead of what managing a server needs. Cut at size. */
void grants_missing(const struct grants *g, enum dialect_kind dialect, bool cure, char *ret_text,
                    size_t size);

/* Accounts that may write on a closed server, or open it, and log in from other hosts: GRANTEE, and
 * the names of those privileges. Without those of whoever asks; who may not read mysql.user sees no
 * others at all. */
extern const char grants_powers_sql[];
/* Appends the REVOKE for such a row to `text`; what does not fit becomes "; ...". */
void grants_power(const char *grantee, const char *privileges, char *text, size_t size);

#endif
