"""Services, decoys, exploits, operating systems and the files red leaves."""

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt


class Service(IntEnum):
    """Service slots of a host: five real ones, then the four kinds of decoy."""

    SSHD = 0
    OTSERVICE = 1
    APACHE2 = 2
    MYSQLD = 3
    SMTP = 4
    DECOY_APACHE = 5
    DECOY_TOMCAT = 6
    DECOY_HARAKA = 7
    DECOY_VSFTPD = 8


REAL: Final = ("SSHD", "OTSERVICE", "APACHE2", "MYSQLD", "SMTP")
DECOYS: Final = ("apache2", "tomcat", "haraka", "vsftpd")
SERVICE_NAMES: Final = REAL + DECOYS
N_REAL: Final = len(REAL)
N_DECOYS: Final = len(DECOYS)
N_SERVICES: Final = N_REAL + N_DECOYS

PORT: Final[npt.NDArray[np.int16]] = np.array(
    [22, 1, 80, 3390, 25, 80, 443, 25, 80], dtype=np.int16
)
"""Port that each service listens on. The vsftpd decoy occupies 80, not 21."""

PORT_BITS: Final = {22: 1, 80: 2, 443: 4, 25: 8, 3390: 16, 1: 32}
"""How a set of listening ports is stored in one byte."""

EXPLOITED_PORTS: Final = PORT_BITS[80] | PORT_BITS[443] | PORT_BITS[25]
"""Ports of the services that decoys stand in for, as `PORT_BITS`."""

SERVICE_PORT_BIT: Final[npt.NDArray[np.int8]] = np.array(
    [PORT_BITS[int(port)] for port in PORT], dtype=np.int8
)

ADDONS: Final = (Service.APACHE2, Service.MYSQLD, Service.SMTP)
"""Optional services of a host, in the order in which the generator lists them."""

MAX_RELIABILITY: Final = 100
DEGRADE_STEP: Final = 20
"""Points of reliability that one DegradeServices takes from every active service."""

MIN_SERVICE_PID: Final = 1000
MAX_SERVICE_PID: Final = 9999
MAX_PID_INCREMENT: Final = 9
"""A new process gets the largest pid of its host plus 1..9."""

FIRST_EPHEMERAL_PORT: Final = 49152
END_EPHEMERAL_PORT: Final = 60000
"""Ephemeral ports are drawn from FIRST..END - 1."""
GREEN_ACCESS_PORT: Final = 8800
"""Remote port in the event of a blocked green access."""

OS_NAMES: Final = ("UBUNTU", "KALI")


class Exploit(IntEnum):
    """Exploits that ExploitRemoteService selects from, in the order it considers them."""

    HTTP_RFI = 0
    HTTPS_RFI = 1
    SSH_BRUTE_FORCE = 2
    SQL_INJECTION = 3
    HARAKA_RCE = 4


EXPLOIT_NAMES: Final = ("HTTPRFI", "HTTPSRFI", "SSHBruteForce", "SQLInjection", "HarakaRCE")
EXPLOIT_WEIGHT: Final[npt.NDArray[np.float64]] = np.array([3.0, 4.0, 0.1, 5.0, 6.0])
"""With two or more options the one of the largest weight is never taken, the rest are equal."""

BRUTE_FORCE_ATTEMPTS: Final = 10
"""Connection events that an SSH brute force leaves on its target."""

FILE_NAMES: Final = ("cmd.sh", "escalate.sh")
"""Files red leaves in /tmp/: by every successful exploit; by every escalation."""
MALICIOUS_DENSITY: Final = 0.9
"""Density that Analyse reports for them."""
