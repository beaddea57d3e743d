#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The runtimes of Debian under the default system call filter: a program that uses threads, child
# processes, sockets, timers, shared memory, files and signals prints the same with it and without.
# The packages of a runtime that are not there are named by the skip; none is needed by `make deps`.
# shellcheck disable=SC2154 # variables set by bats
load lib
load dynos

# need_package PACKAGE COMMAND...
need_package() {
	need "no ${1}: apt-get install $1" "${@:2}"
}

# same COMMAND...: of the app in $dir, the output of its six parts, by either filter
same() {
	local mode expected
	expected=$(printf '%s ok\n' threads child socket timer memory files signal)
	for mode in unconfined default; do
		run --separate-stderr dyno run -q --network none --seccomp "$mode" "$dir" -- "$@"
		assert_status 0
		[ "$output" = "$expected" ] || lib_seen "with the filter \"$mode\" it differs"
	done
}

@test "Python runs the same with the filter" {
	need_package python3 /usr/bin/python3 -c 'import mmap'
	dir=$(app python)
	put "$dir/main.py" <<-'END'
		import mmap, multiprocessing, os, signal, socket, subprocess, tempfile, threading, time
		sums = []
		threads = [threading.Thread(target=lambda n=n: sums.append(n)) for n in range(20)]
		[t.start() for t in threads]; [t.join() for t in threads]
		print("threads", "ok" if sum(sums) == 190 else sums, flush=True)
		def child(q): q.put(os.getpid())
		q = multiprocessing.Queue()
		p = multiprocessing.Process(target=child, args=(q,)); p.start()
		other = q.get(); p.join()
		text = subprocess.run(["/bin/echo", "hello"], capture_output=True, text=True).stdout
		print("child", "ok" if other == p.pid and text == "hello\n" else (other, text), flush=True)
		s = socket.create_server(("127.0.0.1", 0))
		c = socket.create_connection(s.getsockname())
		a, _ = s.accept(); c.sendall(b"ping")
		print("socket", "ok" if a.recv(4) == b"ping" else "no", flush=True)
		begin = time.monotonic(); time.sleep(0.01)
		print("timer", "ok" if time.monotonic() - begin >= 0.01 else "no", flush=True)
		m = mmap.mmap(-1, 1 << 20); m[5] = 7
		print("memory", "ok" if m[5] == 7 else "no", flush=True)
		with tempfile.NamedTemporaryFile() as f:
		    f.write(b"x" * 5000); f.flush(); os.fsync(f.fileno())
		    print("files", "ok" if os.stat(f.name).st_size == 5000 else "no", flush=True)
		got = []
		signal.signal(signal.SIGUSR1, lambda *_: got.append(1)); os.kill(os.getpid(), signal.SIGUSR1)
		print("signal", "ok" if got else "no", flush=True)
	END
	same /usr/bin/python3 /app/main.py
}

@test "Node.js runs the same with the filter" {
	need_package nodejs /usr/bin/node -e 0
	dir=$(app node)
	put "$dir/main.js" <<-'END'
		const { Worker, isMainThread, parentPort } = require("worker_threads");
		const { execFileSync } = require("child_process");
		const net = require("net"), fs = require("fs"), os = require("os"), path = require("path");
		if (!isMainThread) { parentPort.postMessage(42); return; }
		const say = (what, ok) => console.log(what, ok ? "ok" : "no");
		const once = (e, n) => new Promise((r) => e.once(n, r));
		(async () => {
		  say("threads", (await once(new Worker(__filename), "message")) === 42);
		  say("child", execFileSync("/bin/echo", ["hello"]).toString() === "hello\n");
		  const server = net.createServer((c) => c.end("pong")).listen(0, "127.0.0.1");
		  await once(server, "listening");
		  const client = net.connect(server.address().port, "127.0.0.1");
		  say("socket", (await once(client, "data")).toString() === "pong");
		  server.close();
		  const begin = process.hrtime.bigint();
		  await new Promise((r) => setTimeout(r, 10));
		  say("timer", process.hrtime.bigint() - begin > 5000000n);
		  const shared = new Int32Array(new SharedArrayBuffer(1 << 20));
		  Atomics.store(shared, 5, 7);
		  say("memory", Atomics.load(shared, 5) === 7);
		  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "n-"));
		  const fd = fs.openSync(dir + "/f", "w");
		  fs.writeSync(fd, "x".repeat(5000)); fs.fsyncSync(fd); fs.closeSync(fd);
		  say("files", fs.statSync(dir + "/f").size === 5000 && (await fs.promises.readdir(dir)).length === 1);
		  const hit = once(process, "SIGUSR2");
		  const alive = setTimeout(() => {}, 5000); // a handler alone keeps nothing alive
		  process.kill(process.pid, "SIGUSR2");
		  say("signal", (await hit) === "SIGUSR2");
		  clearTimeout(alive);
		})();
	END
	same /usr/bin/node /app/main.js
}

@test "Ruby runs the same with the filter" {
	need_package ruby /usr/bin/ruby -e 0
	dir=$(app ruby)
	put "$dir/main.rb" <<-'END'
		require "socket"
		require "tempfile"
		$stdout.sync = true
		def say(what, ok) = puts("#{what} #{ok ? 'ok' : 'no'}")
		say "threads", 20.times.map { |n| Thread.new { n } }.sum(&:value) == 190
		r, w = IO.pipe
		pid = fork { r.close; w << "child"; w.close; exit! 3 }
		w.close
		said = r.read
		Process.wait pid
		say "child", said == "child" && $?.exitstatus == 3 && `/bin/echo hello` == "hello\n"
		s = TCPServer.new("127.0.0.1", 0)
		c = TCPSocket.new("127.0.0.1", s.addr[1])
		a = s.accept
		c << "ping"
		c.close
		say "socket", a.read == "ping"
		begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
		sleep 0.01
		say "timer", Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun >= 0.01
		say "memory", ("x" * (1 << 24)).bytesize == 1 << 24 && GC.start.nil?
		Tempfile.create { |f| f << "x" * 5000; f.fsync; say "files", File.size(f.path) == 5000 }
		got = Queue.new
		trap("USR1") { got << 1 }
		Process.kill "USR1", Process.pid
		say "signal", got.pop == 1
	END
	same /usr/bin/ruby /app/main.rb
}

@test "PHP runs the same with the filter" {
	need_package php-cli /usr/bin/php -r 'exit(extension_loaded("pcntl") ? 0 : 1);'
	dir=$(app php)
	put "$dir/main.php" <<-'END'
		<?php
		function say($what, $ok) { echo $what, $ok ? " ok\n" : " no\n"; }
		say("threads", true); // it has none: its processes are the next line
		$pid = pcntl_fork();
		if ($pid == 0) exit(3);
		pcntl_waitpid($pid, $status);
		say("child", pcntl_wexitstatus($status) == 3 && shell_exec("/bin/echo hello") == "hello\n");
		$s = stream_socket_server("tcp://127.0.0.1:0");
		$c = stream_socket_client("tcp://" . stream_socket_get_name($s, false));
		$a = stream_socket_accept($s);
		fwrite($c, "ping");
		say("socket", fread($a, 4) == "ping");
		$begin = hrtime(true);
		usleep(10000);
		say("timer", hrtime(true) - $begin >= 10000000);
		say("memory", strlen(str_repeat("x", 1 << 24)) == 1 << 24);
		$f = tempnam("/tmp", "p");
		$h = fopen($f, "w");
		flock($h, LOCK_EX);
		fwrite($h, str_repeat("x", 5000));
		fclose($h);
		say("files", filesize($f) == 5000);
		$got = 0;
		pcntl_signal(SIGUSR1, function () use (&$got) { $got++; });
		posix_kill(posix_getpid(), SIGUSR1);
		pcntl_signal_dispatch();
		say("signal", $got == 1);
	END
	same /usr/bin/php /app/main.php
}

@test "Go runs the same with the filter" {
	need_package golang-go go version
	dir=$(app go)
	put "$dir/main.go" <<-'END'
		package main

		import (
			"fmt"
			"io"
			"net"
			"os"
			"os/exec"
			"os/signal"
			"sync"
			"syscall"
			"time"
		)

		func say(what string, ok bool) {
			word := "no"
			if ok {
				word = "ok"
			}
			fmt.Println(what, word)
		}

		func main() {
			var wg sync.WaitGroup
			var mu sync.Mutex
			sum := 0
			for n := 0; n < 200; n++ {
				wg.Add(1)
				go func(n int) { defer wg.Done(); mu.Lock(); sum += n; mu.Unlock() }(n)
			}
			wg.Wait()
			say("threads", sum == 19900)
			text, _ := exec.Command("/bin/echo", "hello").Output()
			say("child", string(text) == "hello\n")
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				panic(err)
			}
			go func() { c, _ := l.Accept(); c.Write([]byte("ping")); c.Close() }()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				panic(err)
			}
			got, _ := io.ReadAll(c)
			say("socket", string(got) == "ping")
			begin := time.Now()
			<-time.After(10 * time.Millisecond)
			say("timer", time.Since(begin) >= 10*time.Millisecond)
			m, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
			if err == nil {
				m[5] = 7
			}
			say("memory", err == nil && m[5] == 7)
			f, _ := os.CreateTemp("", "g")
			f.Write(make([]byte, 5000))
			f.Sync()
			st, _ := os.Stat(f.Name())
			say("files", st.Size() == 5000)
			hit := make(chan os.Signal, 1)
			signal.Notify(hit, syscall.SIGUSR1)
			syscall.Kill(os.Getpid(), syscall.SIGUSR1)
			say("signal", <-hit == syscall.SIGUSR1)
		}
	END
	as_user env HOME="$BASE" GOCACHE="$BASE/gocache" GOFLAGS=-mod=mod GO111MODULE=off \
		go build -o "$dir/main" "$dir/main.go"
	same /app/main
}

@test "the JVM runs the same with the filter" {
	java=$(readlink -f /usr/bin/java)
	need_package default-jdk-headless /usr/bin/javac -version
	dir=$(app java)
	put "$dir/Main.java" <<-'END'
		import java.io.*;
		import java.net.*;
		import java.nio.*;
		import java.nio.channels.FileChannel;
		import java.nio.file.*;
		import java.util.concurrent.*;
		import java.util.stream.*;

		public class Main {
			static void say(String what, boolean ok) { System.out.println(what + (ok ? " ok" : " no")); }

			public static void main(String[] args) throws Exception {
				say("threads", IntStream.range(0, 200).parallel().sum() == 19900);
				Process p = new ProcessBuilder("/bin/echo", "hello").start();
				String text = new String(p.getInputStream().readAllBytes());
				say("child", p.waitFor() == 0 && text.equals("hello\n"));
				try (ServerSocket s = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
					Thread t = new Thread(() -> {
						try (Socket c = s.accept()) { c.getOutputStream().write("ping".getBytes()); }
						catch (IOException e) { e.printStackTrace(); }
					});
					t.start();
					try (Socket c = new Socket(s.getInetAddress(), s.getLocalPort())) {
						say("socket", new String(c.getInputStream().readAllBytes()).equals("ping"));
					}
					t.join();
				}
				ScheduledExecutorService e = Executors.newScheduledThreadPool(1);
				long begin = System.nanoTime();
				e.schedule(() -> 1, 10, TimeUnit.MILLISECONDS).get();
				e.shutdown();
				say("timer", System.nanoTime() - begin >= 10_000_000L);
				Path f = Files.createTempFile("j", "x");
				try (FileChannel ch = FileChannel.open(f, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
					MappedByteBuffer m = ch.map(FileChannel.MapMode.READ_WRITE, 0, 5000);
					m.put(5, (byte) 7);
					m.force();
					say("memory", m.get(5) == 7);
				}
				say("files", Files.size(f) == 5000);
				CountDownLatch hit = new CountDownLatch(1);
				sun.misc.Signal.handle(new sun.misc.Signal("USR2"), s -> hit.countDown());
				sun.misc.Signal.raise(new sun.misc.Signal("USR2"));
				say("signal", hit.await(5, TimeUnit.SECONDS));
			}
		}
	END
	as_user /usr/bin/javac -nowarn -d "$dir" "$dir/Main.java" 2>/dev/null
	# the dyno has the memory of a small machine
	same "$java" -Xmx128m -cp /app Main
}
