#!/usr/bin/python3
"""Real clients with TLS against the real server on a volume in memory: shared keys, certificates, nothing less.

usage: tls.py NBD_MEMORY_EXPORT
"""

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

SERVER = sys.argv.pop(1)
MISSING = [tool for tool in ("openssl", "nbdinfo", "nbdcopy", "setpriv") if not shutil.which(tool)]
if MISSING:
    print(f"skipped: not installed: {' '.join(MISSING)}")
    sys.exit(77)

ADDRESS = f"127.{os.getpid() >> 16 & 127 | 128}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"  # nobody else's
PORT = 10809
KEY = "0123456789abcdef0123456789abcdef"
IHAVEOPT = 0x49484156454F5054


def make_certificates(folder):
    """An authority, a server and a client that it vouches for, and a client that another one vouches for."""
    def openssl(*argv):
        subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for authority in ("ca", "other-ca"):
        openssl("req", "-x509", *key, "-days", "2", "-subj", f"/CN={authority}", "-keyout", f"{authority}-key.pem",
                "-out", f"{authority}-cert.pem")
    for name, authority in (("server", "ca"), ("client", "ca"), ("stranger", "other-ca")):
        openssl("req", "-new", *key, "-subj", f"/CN={name}", "-keyout", f"{name}-key.pem", "-out", f"{name}.csr")
        with open(f"{folder}/names", "w", encoding="ascii") as names:
            names.write(f"subjectAltName=IP:{ADDRESS}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}-cert.pem", "-CAkey", f"{authority}-key.pem",
                "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", f"{name}-cert.pem")
    for who, holder in (("client", "of-client"), ("stranger", "of-stranger"), (None, "of-nobody")):
        os.mkdir(f"{folder}/{holder}")
        shutil.copy(f"{folder}/ca-cert.pem", f"{folder}/{holder}/")
        for part in ("cert", "key") if who else ():
            shutil.copy(f"{folder}/{who}-{part}.pem", f"{folder}/{holder}/client-{part}.pem")
    os.mkdir(f"{folder}/of-server")
    for file in ("ca-cert.pem", "server-cert.pem", "server-key.pem"):
        shutil.copy(f"{folder}/{file}", f"{folder}/of-server/")
    os.chmod(f"{folder}/of-server/server-key.pem", 0o600)


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="nbd-tls.")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        make_certificates(cls.folder)
        for name, line in (("keys", f"# clients\nalice:{KEY}\n"), ("wrong", f"alice:{KEY[::-1]}\n")):
            with open(f"{cls.folder}/{name}", "w", encoding="ascii") as file:
                file.write(line)
            os.chmod(f"{cls.folder}/{name}", 0o600)

    def start(self, *options):
        self.log = open(f"{self.folder}/log", "w+", encoding="utf-8")
        self.addCleanup(self.log.close)
        # The server dies with this process, should that be killed at its time limit.
        self.server = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", SERVER, f"{self.folder}/drbd0.nbd", "64",
                                        f"tcp={ADDRESS}", *options], stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.addCleanup(self.stop)
        self.assertEqual(self.server.stdout.readline(), "ready\n", self.said())

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        with self.server.stdout:
            self.server.terminate()
            self.server.wait(timeout=20)
            self.assertEqual((self.server.returncode, self.server.stdout.read()), (0, "stopping\nusers=0 buffers=0\n"),
                             self.said())

    def keys(self, name="alice", file="keys"):
        return f"nbds://{name}@{ADDRESS}:{PORT}/?tls-psk-file={self.folder}/{file}"

    def certificates(self, holder):
        return f"nbds://{ADDRESS}:{PORT}/?tls-certificates={self.folder}/{holder}"

    def info(self, uri):
        return subprocess.run(["nbdinfo", "--size", uri], capture_output=True, text=True, timeout=20, check=False)

    def expect_open(self, uri):
        got = self.info(uri)
        self.assertEqual((got.returncode, got.stdout.strip()), (0, str(64 << 20)), got.stderr + self.said())

    def expect_closed(self, uri):
        self.assertNotEqual(self.info(uri).returncode, 0, uri)

    def both(self):
        self.start(f"tls-certificates={self.folder}/of-server", f"tls-psk={self.folder}/keys")

    def test_shared_key(self):
        self.both()
        self.expect_open(self.keys())
        self.expect_closed(self.keys("bob"))
        self.expect_closed(self.keys(file="wrong"))
        self.expect_open(self.keys())

    def test_certificate(self):
        self.both()
        self.expect_open(self.certificates("of-client"))
        self.expect_closed(self.certificates("of-stranger"))
        self.expect_closed(self.certificates("of-nobody"))
        self.expect_open(self.certificates("of-client"))

    def test_one_way_alone(self):
        self.start(f"tls-psk={self.folder}/keys")
        self.expect_open(self.keys())
        self.expect_closed(self.certificates("of-client"))

    def test_no_way_around(self):
        """A client without TLS, one that would do without it, and one by hand: refused on TCP, served on the unix socket."""
        self.both()
        self.expect_closed(f"nbd://{ADDRESS}:{PORT}/")
        with socket.create_connection((ADDRESS, PORT), timeout=10) as raw:
            stream = raw.makefile("rwb")
            self.assertEqual(stream.read(18), struct.pack(">QQH", 0x4E42444D41474943, IHAVEOPT, 3))
            stream.write(struct.pack(">I", 3))
            for option in (3, 6, 7, 8, 10, 11):
                stream.write(struct.pack(">QIIIH", IHAVEOPT, option, 6, 0, 0))
                stream.flush()
                _, answered, kind, length = struct.unpack(">QIII", stream.read(20))
                stream.read(length)
                self.assertEqual((answered, kind), (option, 0x80000005))
            stream.write(struct.pack(">QII", IHAVEOPT, 1, 0))
            stream.flush()
            self.assertEqual(stream.read(), b"")
        self.expect_open(f"nbd+unix:///?socket={self.folder}/drbd0.nbd")

    def test_data_come_through(self):
        self.both()
        image = f"{self.folder}/image"
        with open(image, "wb") as file:
            file.write(os.urandom(64 << 20))
        for uri in (self.keys(), self.certificates("of-client")):
            subprocess.run(["nbdcopy", "--connections=4", "--requests=16", "--flush", image, uri], check=True, timeout=60)
            subprocess.run(["nbdcopy", "--connections=4", uri, f"{self.folder}/back"], check=True, timeout=60)
            subprocess.run(["cmp", image, f"{self.folder}/back"], check=True)
            with open(image, "r+b") as file:
                file.write(os.urandom(1 << 20))

    def test_map(self):
        self.start(f"tls-psk={self.folder}/keys", "marked=3")
        got = subprocess.run(["nbdinfo", "--map=x-drbd:out-of-sync", self.keys()], capture_output=True, text=True, timeout=20,
                             check=True)
        self.assertEqual([line.split()[:3] for line in got.stdout.splitlines()],
                         [["0", "12288", "0"], ["12288", "4096", "1"], ["16384", str((64 << 20) - 16384), "0"]])

    def test_plaintext_where_it_was_asked_for(self):
        self.start("plaintext")
        self.expect_open(f"nbd://{ADDRESS}:{PORT}/")
        self.assertIn("without TLS", self.said())

    def test_strangers_crowd_nobody_out(self):
        """Who opens connections and says nothing leaves room for a client with a key, and for the local ones."""
        self.both()
        idle = [socket.create_connection((ADDRESS, PORT), timeout=10) for _ in range(60)]
        self.expect_open(f"nbd+unix:///?socket={self.folder}/drbd0.nbd")
        self.expect_open(self.keys())
        for stranger in idle:
            stranger.close()


unittest.main(verbosity=2)
