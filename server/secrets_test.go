package server

import "testing"

func TestMaskSecrets(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"":                                     "",
		"UPDATE t SET a = 'x' WHERE b = 'y'":   "UPDATE t SET a = 'x' WHERE b = 'y'",
		"INSERT INTO t SELECT 'a' AS 'b'":      "INSERT INTO t SELECT 'a' AS 'b'",
		"CREATE USER z IDENTIFIED BY 'hush'":   "CREATE USER z IDENTIFIED BY '***'",
		"create user z identified by \"hush\"": "create user z identified by '***'",
		"CREATE USER z IDENTIFIED BY 'it''s \\' hush', y IDENTIFIED BY 'hush'":                       "CREATE USER z IDENTIFIED BY '***', y IDENTIFIED BY '***'",
		"CREATE USER z IDENTIFIED BY PASSWORD '*B9B1'":                                               "CREATE USER z IDENTIFIED BY PASSWORD '***'",
		"CREATE USER z IDENTIFIED VIA a USING PASSWORD('hush') OR b USING 'hash'":                    "CREATE USER z IDENTIFIED VIA a USING PASSWORD('***') OR b USING '***'",
		"CREATE USER z IDENTIFIED WITH 'caching_sha2_password' AS 0x2441":                            "CREATE USER z IDENTIFIED WITH 'caching_sha2_password' AS '***'",
		"ALTER USER z IDENTIFIED WITH p BY 'new' REPLACE 'old'":                                      "ALTER USER z IDENTIFIED WITH p BY '***' REPLACE '***'",
		"GRANT SELECT ON *.* TO z IDENTIFIED\n BY\n 'hush'":                                          "GRANT SELECT ON *.* TO z IDENTIFIED\n BY\n '***'",
		"SET PASSWORD FOR 'z'@'%'='*B9B1'":                                                           "SET PASSWORD FOR 'z'@'%'='***'",
		"SET PASSWORD = PASSWORD('hush')":                                                            "SET PASSWORD = PASSWORD('***')",
		"SET PASSWORD FOR z TO 'hush'":                                                               "SET PASSWORD FOR z TO '***'",
		"CHANGE MASTER TO MASTER_USER='u', MASTER_PASSWORD = 'hush'":                                 "CHANGE MASTER TO MASTER_USER='u', MASTER_PASSWORD = '***'",
		"UPDATE mysql.user SET Password=PASSWORD('hush')":                                            "UPDATE mysql.user SET Password=PASSWORD('***')",
		"Error 'Operation CREATE USER failed' on query. Query: 'CREATE USER z IDENTIFIED BY 'hush''": "Error 'Operation CREATE USER failed' on query. Query: 'CREATE USER z IDENTIFIED BY '***'",
		"CREATE USER z IDENTIFIED BY 'cut of":                                                        "CREATE USER z IDENTIFIED BY '***'",
	} {
		if got := MaskSecrets(sql); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
}
