#!/usr/bin/env bash
# jjwt (Java) 0.13.0: the length of the secret chooses the algorithm.
#
# What one expects: a shop signs identity tokens in Java with `Jwts.builder().signWith(key)`, where the key comes from
#   `Keys.hmacShaKeyFor(secret)`. The receiving side says "HS256", the most common HMAC algorithm, so that is what is taken for granted.
# What happens: `signWith(key)` takes the strongest algorithm that the key is long enough for: 32 to 47 bytes give HS256, 48 to
#   63 bytes HS384, 64 bytes and more HS512. A secret of 32 random bytes that is written as 64 hexadecimal digits, and used as that
#   text, therefore gives HS512. A receiver that takes HS256 alone refuses every token, and with another installation's shorter
#   secret the same program works.
# What to do: a receiver takes all three HMAC algorithms with its one secret (and nothing else); a sender that needs HS256
#   says so: `signWith(key, Jwts.SIG.HS256)`.
# Source: jjwt's documentation of `Keys.hmacShaKeyFor` and `signWith(Key)`; seen with Java 17.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
version=0.13.0
cat >pom.xml <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>io.jsonwebtoken</groupId><artifactId>jjwt-impl</artifactId><version>$version</version></dependency>
    <dependency><groupId>io.jsonwebtoken</groupId><artifactId>jjwt-gson</artifactId><version>$version</version></dependency>
  </dependencies>
</project>
XML
mvn --quiet --batch-mode -Dmaven.repo.local="$folder/repository" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=jars >mvn.log 2>&1 \
  || { cat mvn.log >&2; exit 1; }
cat >Sign.java <<'JAVA'
import io.jsonwebtoken.Jwts;
import io.jsonwebtoken.security.Keys;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

class Sign {
    static String algorithm(int bytes) {
        byte[] secret = "0123456789abcdef".repeat(8).substring(0, bytes).getBytes(StandardCharsets.UTF_8);
        String token = Jwts.builder().subject("customer-1").signWith(Keys.hmacShaKeyFor(secret)).compact();
        String header = new String(Base64.getUrlDecoder().decode(token.split("\\.")[0]), StandardCharsets.UTF_8);
        System.out.println("a secret of " + bytes + " bytes: " + header);
        return header;
    }

    public static void main(String[] arguments) {
        boolean seen = algorithm(32).contains("HS256") & algorithm(47).contains("HS256")
            & algorithm(48).contains("HS384") & algorithm(63).contains("HS384") & algorithm(64).contains("HS512");
        System.exit(seen ? 0 : 1);
    }
}
JAVA
echo "jjwt $version on $(java -version 2>&1 | head -1)"
if java -cp 'jars/*' Sign.java; then
  echo "seen: the secret's length chooses HS256, HS384 or HS512"
else
  echo "not seen any more" >&2
  exit 1
fi
