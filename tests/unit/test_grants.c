/* SPDX-License-Identifier: Apache-2.0 */
/* SHOW GRANTS as the servers write it, and what is missing. */
#include "io/mysql/grants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char tandem_row[] =
    "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON `tandem`.* TO `tandem`@`localhost`";

static void expect(const struct grants *g, enum dialect_kind dialect, bool cure, const char *text)
{
    char missing[512];
    grants_missing(g, dialect, cure, missing, sizeof missing);
    assert_string_equal(missing, text);
}

static void test_mariadb(void **state)
{
    struct grants g = {.everywhere = ""};
    (void)state;
    grants_row(&g, "GRANT SELECT, RELOAD, PROCESS, LOCK TABLES, SUPER, BINLOG MONITOR, BINLOG "
                   "ADMIN, BINLOG REPLAY, CONNECTION ADMIN, READ_ONLY ADMIN, REPLICATION SLAVE "
                   "ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR ON *.* TO `tandem`@`localhost` "
                   "IDENTIFIED BY PASSWORD '*0'");
    expect(&g, DIALECT_MARIADB, false,
           "CREATE on tandem.*, DROP on tandem.*, INSERT on tandem.*, UPDATE on tandem.*, DELETE "
           "on tandem.*");
    grants_row(&g, tandem_row);
    expect(&g, DIALECT_MARIADB, false, "");
    expect(&g, DIALECT_MARIADB, true, "");
}

static void test_mariadb_lacks(void **state)
{
    struct grants g = {.everywhere = ""};
    (void)state;
    grants_row(&g, tandem_row);
    grants_row(&g, "GRANT RELOAD, PROCESS, BINLOG MONITOR, CONNECTION ADMIN, READ_ONLY ADMIN, "
                   "REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN ON *.* TO `t`@`localhost`");
    expect(&g, DIALECT_MARIADB, false, "SLAVE MONITOR, BINLOG ADMIN, SUPER");
    expect(&g, DIALECT_MARIADB, true, "BINLOG REPLAY, SELECT, LOCK TABLES");
}

static void test_mysql(void **state)
{
    struct grants g = {.everywhere = ""};
    (void)state;
    grants_row(&g, "GRANT SELECT, RELOAD, PROCESS, LOCK TABLES, REPLICATION SLAVE, REPLICATION "
                   "CLIENT ON *.* TO `tandem`@`localhost`");
    expect(&g, DIALECT_MYSQL_NEW, true, "BINLOG_ADMIN, EVENT");
    /* Dynamic privileges have a row of their own. */
    grants_row(&g, "GRANT BACKUP_ADMIN,BINLOG_ADMIN,CONNECTION_ADMIN,REPLICATION_SLAVE_ADMIN,"
                   "SYSTEM_USER,SYSTEM_VARIABLES_ADMIN ON *.* TO `tandem`@`localhost`");
    grants_row(&g, "GRANT SELECT ON `performance_schema`.* TO `tandem`@`localhost`");
    grants_row(&g, "GRANT EVENT ON *.* TO `tandem`@`localhost`");
    grants_row(&g, tandem_row);
    expect(&g, DIALECT_MYSQL_NEW, false, "XA_RECOVER_ADMIN");
    expect(&g, DIALECT_MYSQL_NEW, true, "");
}

static void test_all(void **state)
{
    struct grants g = {.everywhere = ""};
    (void)state;
    grants_row(&g, "GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' WITH GRANT OPTION");
    expect(&g, DIALECT_MYSQL_57, false, "");
    expect(&g, DIALECT_MYSQL_80, true, "");
}

/* Another schema's privileges, a proxy, a role, or what only looks like a privilege. */
static void test_other_rows(void **state)
{
    struct grants g = {.everywhere = ""};
    char longer[3 * GRANTS_TEXT_MAX];
    (void)state;
    memset(longer, 'A', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    memcpy(longer, "GRANT ", 6);
    memcpy(longer + sizeof longer - 16, " ON *.* TO `x`@", 15);
    grants_row(&g, longer);
    grants_row(&g, "GRANT PROXY ON ''@'' TO 'root'@'localhost'");
    grants_row(&g, "GRANT `role`@`%` TO `tandem`@`localhost`");
    grants_row(&g, "GRANT SUPER, PROCESS ON `shop`.* TO `tandem`@`localhost`");
    grants_row(&g, "GRANT ON *.* TO");
    grants_row(&g, "");
    expect(&g, DIALECT_MYSQL_57, false,
           "SUPER, REPLICATION CLIENT, REPLICATION SLAVE, PROCESS, RELOAD, CREATE on tandem.*, "
           "DROP on tandem.*, SELECT on tandem.*, INSERT on tandem.*, UPDATE on tandem.*, DELETE "
           "on tandem.*");
}

/* SUPER does not stand for it, from 8.0 on; 5.7 lets everybody ask. */
static void test_prepared_transactions_may_be_asked_for(void **state)
{
    struct grants g = {.everywhere = ""};
    (void)state;
    grants_row(&g, "GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE, SUPER, REPLICATION CLIENT, "
                   "REPLICATION SLAVE, PROCESS, RELOAD ON *.* TO `tandem`@`localhost`");
    expect(&g, DIALECT_MYSQL_57, false, "");
    expect(&g, DIALECT_MYSQL_80, false, "XA_RECOVER_ADMIN");
    grants_row(&g, "GRANT XA_RECOVER_ADMIN ON *.* TO `tandem`@`localhost`");
    expect(&g, DIALECT_MYSQL_80, false, "");
}

static void test_powers(void **state)
{
    char text[100] = "";
    (void)state;
    grants_power("'app'@'%'", "CONNECTION ADMIN, SUPER", text, sizeof text);
    assert_string_equal(text, "REVOKE CONNECTION ADMIN, SUPER ON *.* FROM 'app'@'%'");
    grants_power("'lord'@''", "SUPER", text, sizeof text); /* a role */
    assert_string_equal(text, "REVOKE CONNECTION ADMIN, SUPER ON *.* FROM 'app'@'%'; "
                              "REVOKE SUPER ON *.* FROM 'lord'");
    for (unsigned i = 0; i < 3; i++) {
        grants_power("'more'@'10.%'", "SUPER", text, sizeof text);
        assert_string_equal(text, "REVOKE CONNECTION ADMIN, SUPER ON *.* FROM 'app'@'%'; "
                                  "REVOKE SUPER ON *.* FROM 'lord'; ...");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mariadb),
        cmocka_unit_test(test_mariadb_lacks),
        cmocka_unit_test(test_mysql),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_other_rows),
        cmocka_unit_test(test_powers),
        cmocka_unit_test(test_prepared_transactions_may_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
